import { type TreeUsage, treeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import {
  DISK_USAGE_NAMESPACES_MAX,
  DISK_USAGE_REST,
  DISK_USAGE_TTL_MS,
  DISK_USAGE_WAIT_MS,
} from "../limits.ts";

/** Disk usage of a directory. */
export interface DiskUsage extends TreeUsage {
  measuredAt_ms: number;
  /** Time of the next measurement; later for a directory that took long. */
  staleAt_ms: number;
}

/**
 * Disk usage of directories, cached: statistics are requested every few seconds, and a container
 * can make its directory as large as it likes. Those of one namespace are measured one at a time,
 * so that its millions of files delay no other's. Measuring one directory takes at most 1 in
 * DISK_USAGE_REST of the time.
 */
export class DiskUsages {
  readonly #clock: Clock;
  readonly #measure: (directory: string) => Promise<TreeUsage>;
  readonly #known = new Map<string, DiskUsage>();
  readonly #measuring = new Map<string, Promise<DiskUsage>>();
  readonly #turns = new FairTurns(DISK_USAGE_NAMESPACES_MAX, 1);

  constructor(clock: Clock, measure: (directory: string) => Promise<TreeUsage> = treeUsage) {
    this.#clock = clock;
    this.#measure = measure;
  }

  /** Returns the usage of a directory of a namespace, once it is measured. */
  get(directory: string, namespace: string): Promise<DiskUsage> {
    const known = this.#known.get(directory);
    if (known && this.#clock.monotonic() < known.staleAt_ms) return Promise.resolve(known);
    const under = this.#measuring.get(directory);
    if (under) return under;
    const measured = this.#turns.run(namespace, () => this.#measured(directory));
    const measuring = measured.finally(() => this.#measuring.delete(directory));
    this.#measuring.set(directory, measuring);
    return measuring;
  }

  /**
   * Returns the usage as `get` does, or after DISK_USAGE_WAIT_MS that of the last measurement,
   * undefined without one: for the statistics of all, which one of them may not delay.
   */
  soon(directory: string, namespace: string): Promise<DiskUsage | undefined> {
    const last = () => this.#known.get(directory);
    const usage: Promise<DiskUsage | undefined> = this.get(directory, namespace);
    return resultWithin(this.#clock, usage, DISK_USAGE_WAIT_MS, last);
  }

  /** Drops a directory that was removed. */
  forget(directory: string): void {
    this.#known.delete(directory);
    this.#measuring.delete(directory);
  }

  async #measured(directory: string): Promise<DiskUsage> {
    const clock = this.#clock;
    const begun_ms = clock.monotonic();
    const { used_bytes, inodes } = await this.#measure(directory);
    const ended_ms = clock.monotonic();
    const rest_ms = Math.max(DISK_USAGE_TTL_MS, (ended_ms - begun_ms) * DISK_USAGE_REST);
    const staleAt_ms = ended_ms + rest_ms;
    const usage = { used_bytes, inodes, measuredAt_ms: clock.now(), staleAt_ms };
    if (this.#measuring.has(directory)) this.#known.set(directory, usage);
    return usage;
  }
}
