import { treeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { DISK_USAGE_REST, DISK_USAGE_TTL_MS } from "../limits.ts";

/** What a folder holds. */
export interface DiskUsage {
  used_bytes: number;
  inodes: number;
  measuredAt_ms: number;
  /** When it has to be measured again; later for a folder that took long. */
  staleAt_ms: number;
}

/**
 * Sizes of folders, measured one at a time and kept for a while: statistics are asked for every few
 * seconds, and a container can make its folder as big as it likes. Measuring one folder takes at
 * most one part in DISK_USAGE_REST of the time.
 */
export class DiskUsages {
  readonly #clock: Clock;
  readonly #known = new Map<string, DiskUsage>();
  readonly #measuring = new Map<string, Promise<DiskUsage>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What the folder held when it was last measured, which is not long ago. */
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
