import { type Random, randomInteger } from "@raft2kube/std/random.ts";
import type { Disk, DiskFile, Done } from "@raft2kube/store/wal/disk.ts";

const SECTOR_BYTES = 512;

interface MemoryFile {
  /** What a read sees. */
  content: Buffer;
  /** What a power cut leaves for certain. */
  durable: Buffer;
}

/**
 * A disk in memory that does nothing until it is told to, and loses at a power cut what was not
 * synced: each sector written since may be old or new.
 */
export class MemoryDisk implements Disk {
  readonly files = new Map<string, MemoryFile>();
  #queue: (() => void)[] = [];
  /** Fails the next sync with this. */
  failSync: Error | undefined;

  /** Does up to `count` of the operations that wait. */
  run(count = Infinity): void {
    for (let done = 0; done < count; done++) {
      const operation = this.#queue.shift();
      if (!operation) return;
      operation();
    }
  }

  /** Does one of the operations that wait, as threads would, in no order. False when none does. */
  runAny(random: Random): boolean {
    const at = randomInteger(random, 0, this.#queue.length);
    const [operation] = this.#queue.splice(at, 1);
    operation?.();
    return operation !== undefined;
  }

  powerCut(random: Random): void {
    this.#queue = [];
    for (const file of this.files.values()) {
      const size = Math.max(file.content.length, file.durable.length);
      const left = Buffer.alloc(size);
      file.durable.copy(left);
      for (let at = 0; at < file.content.length; at += SECTOR_BYTES) {
        if (random.next() < 0.5) file.content.copy(left, at, at, at + SECTOR_BYTES);
      }
      file.content = left;
      file.durable = Buffer.from(left);
    }
  }

  /** Nothing of a file from `offset` on was written. */
  tear(name: string, offset: number): void {
    const { content, durable } = this.#file(name);
    content.fill(0, offset);
    content.copy(durable);
  }

  /** Changes one bit of a file, behind everyone's back. */
  flipBit(name: string, offset: number, random: Random): void {
    const { content, durable } = this.#file(name);
    const bit = 1 << randomInteger(random, 0, 8);
    content[offset]! ^= bit;
    durable[offset] = content[offset]!;
  }

  #file(name: string): MemoryFile {
    const file = this.files.get(name);
    if (!file) throw Object.assign(new Error(`no file ${name}`), { code: "ENOENT" });
    return file;
  }

  list(): string[] {
    return [...this.files.keys()].sort();
  }

  read(name: string): Buffer {
    return Buffer.from(this.#file(name).content);
  }

  cutSync(name: string, offset: number, size: number): void {
    const file = this.#file(name);
    const content = Buffer.alloc(size);
    file.content.copy(content, 0, 0, offset);
    file.content = content;
    file.durable = Buffer.from(content);
  }

  removeSync(name: string): void {
    this.files.delete(name);
  }

  open(name: string, create: boolean, done: (error: Error | null, file?: DiskFile) => void): void {
    this.#queue.push(() => {
      if (create) this.files.set(name, { content: Buffer.alloc(0), durable: Buffer.alloc(0) });
      done(null, this.#open(name));
    });
  }

  #open(name: string): DiskFile {
    const file = this.#file(name);
    return {
      name,
      write: (bytes, offset, done) => {
        const copy = Buffer.from(bytes);
        this.#queue.push(() => {
          if (file.content.length < offset + copy.length) {
            const grown = Buffer.alloc(offset + copy.length);
            file.content.copy(grown);
            file.content = grown;
          }
          copy.copy(file.content, offset);
          done(null);
        });
      },
      sync: (done) => {
        this.#queue.push(() => {
          const error = this.failSync;
          if (error) return done(error);
          file.durable = Buffer.from(file.content);
          done(null);
        });
      },
      close: (done) => this.#queue.push(() => done(null)),
    };
  }

  rename(from: string, to: string, done: Done): void {
    this.#queue.push(() => {
      this.files.set(to, this.#file(from));
      this.files.delete(from);
      done(null);
    });
  }

  remove(name: string, done: Done): void {
    this.#queue.push(() => {
      this.files.delete(name);
      done(null);
    });
  }

  syncFolder(done: Done): void {
    this.#queue.push(() => done(null));
  }
}
