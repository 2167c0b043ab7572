import { treeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { DISK_USAGE_REST, DISK_USAGE_TTL_MS } from "../limits.ts";

/** Disk usage of a directory. */
export interface DiskUsage {
  used_bytes: number;
  inodes: number;
  measuredAt_ms: number;
  /** Time of the next measurement; later for a directory that took long. */
  staleAt_ms: number;
}

/**
 * Disk usage of directories, measured one at a time and cached: statistics are requested every few
 * seconds, and a container can make its directory as large as it likes. Measuring one directory
 * takes at most 1 in DISK_USAGE_REST of the time.
 */
export class DiskUsages {
  readonly #clock: Clock;
  readonly #known = new Map<string, DiskUsage>();
  readonly #measuring = new Map<string, Promise<DiskUsage>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns the directory's usage at its last measurement. */
  get(directory: string): Promise<DiskUsage> {
    const known = this.#known.get(directory);
    if (known && this.#clock.monotonic() < known.staleAt_ms) return Promise.resolve(known);
    const under = this.#measuring.get(directory);
    if (under) return under;
    const measuring = this.#last.then(() => this.#measure(directory));
    this.#measuring.set(directory, measuring);
    this.#last = measuring.catch(() => undefined);
    return measuring.finally(() => this.#measuring.delete(directory));
  }

  forget(directory: string): void {
    this.#known.delete(directory);
  }

  async #measure(directory: string): Promise<DiskUsage> {
    const clock = this.#clock;
    const begun_ms = clock.monotonic();
    const { used_bytes, inodes } = await treeUsage(directory);
    const ended_ms = clock.monotonic();
    const rest_ms = Math.max(DISK_USAGE_TTL_MS, (ended_ms - begun_ms) * DISK_USAGE_REST);
    const staleAt_ms = ended_ms + rest_ms;
    const usage = { used_bytes, inodes, measuredAt_ms: clock.now(), staleAt_ms };
    this.#known.set(directory, usage);
    return usage;
  }
}
