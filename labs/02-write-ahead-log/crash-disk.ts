import { DiskImage } from "../../testing/disk/image.ts";
import { type Operation, ScheduledDisk } from "../../testing/disk/scheduled-disk.ts";
import { firstShare } from "../../testing/disk/survival.ts";
import { countCost } from "../check.ts";

/**
 * A disk in memory that performs its operations in order, one in each turn of the event loop, and
 * loses power at one of them: that operation and all later ones never complete.
 */
export class CrashDisk extends ScheduledDisk {
  readonly #queue: (() => void)[] = [];
  readonly #dieAt: number;
  #running = false;
  operations = 0;
  syncs = 0;
  /** Called before each operation takes place. */
  onOperation: (operation: Operation) => void = () => undefined;

  /** `dieAt` is the number of the operation that loses power, from 1; without it, none does. */
  constructor(dieAt = Number.POSITIVE_INFINITY, image = new DiskImage()) {
    super(image);
    this.#dieAt = dieAt;
  }

  /** Whether no operation is waiting: nothing happens until the next request. */
  get idle(): boolean {
    return this.#queue.length === 0;
  }

  /** Whether the power was lost. */
  get dead(): boolean {
    return this.operations >= this.#dieAt;
  }

  /** Returns the disk after a power cut: `keep(i)` (0 to 1) of a file's i-th unsynced write. */
  restarted(keep: (write: number) => number): CrashDisk {
    const folder = this.image.folder.copy();
    for (const inode of folder.names.values()) inode.crash(firstShare(keep));
    folder.crash({ next: () => Math.min(keep(0), 0.99) });
    return new CrashDisk(undefined, new DiskImage(folder));
  }

  protected override schedule<T>(
    operation: Operation,
    act: () => T,
    report: (result: T) => void,
  ): void {
    this.#queue.push(() => {
      if (operation === "sync") this.syncs++;
      countCost(`${operation} of the disk`);
      this.onOperation(operation);
      report(act());
    });
    if (this.#running) return;
    this.#running = true;
    setImmediate(() => this.#drain());
  }

  #drain(): void {
    const next = this.#queue.shift();
    this.#running = next !== undefined && !this.dead && ++this.operations < this.#dieAt;
    if (!this.#running) return;
    next!();
    setImmediate(() => this.#drain());
  }
}
