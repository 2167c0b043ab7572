import { type Random, randomInteger } from "@raft2kube/std/random.ts";
import { DiskImage } from "./image.ts";
import { Inode } from "./inode.ts";
import { type Operation, ScheduledDisk } from "./scheduled-disk.ts";
import { anySectors } from "./survival.ts";

/** A disk in memory whose operations wait until the test runs them. */
export class MemoryDisk extends ScheduledDisk {
  #queue: (() => void)[] = [];

  constructor() {
    super(new DiskImage());
  }

  get files(): Map<string, Inode> {
    return this.image.folder.names;
  }

  protected override schedule<T>(_: Operation, act: () => T, report: (result: T) => void): void {
    this.#queue.push(() => report(act()));
  }

  /** Performs up to `count` of the waiting operations, oldest first. */
  run(count = Infinity): void {
    for (let done = 0; done < count; done++) {
      const operation = this.#queue.shift();
      if (!operation) return;
      operation();
    }
  }

  /** Performs one of the waiting operations, in no order, as threads would; false without any. */
  runAny(random: Random): boolean {
    const at = randomInteger(random, 0, this.#queue.length);
    const [operation] = this.#queue.splice(at, 1);
    operation?.();
    return operation !== undefined;
  }

  powerCut(random: Random): void {
    this.#queue = [];
    for (const inode of new Set(this.files.values())) inode.crash(anySectors(random));
    this.image.folder.crash(random);
  }

  /** Puts a whole file on the disk, durably. */
  put(name: string, bytes: Buffer): void {
    this.image.folder.create(name).patch(0, bytes);
    this.image.folder.sync();
  }

  /** Nothing of a file from `offset` on was written. */
  tear(name: string, offset: number): void {
    const inode = this.image.folder.get(name);
    inode.cut(offset, inode.content.length);
  }

  /** Flips one bit of a file at rest. */
  flipBit(name: string, offset: number, random: Random): void {
    this.image.folder.get(name).flip(offset, 1 << randomInteger(random, 0, 8));
  }
}
