import { lstat, opendir } from "node:fs/promises";
import path from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { DISK_USAGE_TTL_MS } from "../limits.ts";

/** What a folder holds. */
export interface DiskUsage {
  used_bytes: number;
  inodes: number;
  measuredAt_ms: number;
}

/** The size of one blocks unit of stat(2). */
const BLOCK_BYTES = 512;

async function measure(directory: string, into: { bytes: number; seen: Set<number> }) {
  try {
    for await (const entry of await opendir(directory)) {
      const file = path.join(directory, entry.name);
      const stats = await lstat(file);
      // A file with several names counts once.
      if (into.seen.has(stats.ino)) continue;
      into.seen.add(stats.ino);
      into.bytes += stats.blocks * BLOCK_BYTES;
      if (entry.isDirectory()) await measure(file, into);
    }
  } catch (error) {
    // What a running container removes meanwhile does not count.
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
  }
}

/**
 * Sizes of folders, measured one at a time and kept for a while: statistics are asked for every few
 * seconds, and walking a big folder is dear.
 */
export class DiskUsages {
  readonly #clock: Clock;
  readonly #known = new Map<string, DiskUsage>();
  readonly #measuring = new Map<string, Promise<DiskUsage>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What the folder held at most DISK_USAGE_TTL_MS ago. */
  get(directory: string): Promise<DiskUsage> {
    const known = this.#known.get(directory);
    if (known && this.#clock.now() - known.measuredAt_ms < DISK_USAGE_TTL_MS) {
      return Promise.resolve(known);
    }
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
    const found = { bytes: 0, seen: new Set<number>() };
    await measure(directory, found);
    const usage = {
      used_bytes: found.bytes,
      inodes: found.seen.size,
      measuredAt_ms: this.#clock.now(),
    };
    this.#known.set(directory, usage);
    return usage;
  }
}
