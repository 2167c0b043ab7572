import type { Clock } from "@raft2kube/std/clock.ts";
import type { Pressures } from "../proc/pressure.ts";

/** Limits of a group; what is absent stays as it is. The words are the OCI runtime spec's. */
export interface CgroupLimits {
  /** v1's relative weight, 2 to 262144; converted for v2. */
  cpuShares?: number;
  /** Microseconds of CPU in a period; -1 lifts the limit. */
  cpuQuota_us?: number;
  cpuPeriod_us?: number;
  /** -1 lifts the limit. */
  memory_bytes?: number;
  /**
   * Buffers of TCP, which v1 counts apart, and only in groups that were given this limit, -1 too.
   * v2 counts them as memory and ignores it.
   */
  tcp_bytes?: number;
  /** -1 lifts the limit. */
  pids?: number;
}

/** The usage of a group since its creation, children included. */
export interface CgroupUsage {
  cpu_ns: number;
  memory: {
    usage_bytes: number;
    /** Usage without file pages that have not been touched lately: what eviction looks at. */
    workingSet_bytes: number;
    rss_bytes: number;
    pageFaults: number;
    majorPageFaults: number;
    /** The limit; undefined when there is none. */
    limit_bytes: number | undefined;
  };
  pids: number;
  /** Stalls, which a v2 hierarchy counts, also one beside those of v1; read when it is asked for. */
  readonly pressure: Pressures;
}

/** Reads and writes of a block device of /dev, or one of these numbers. */
export interface DeviceIo {
  device: string;
  reads: number;
  writes: number;
  read_bytes: number;
  written_bytes: number;
}

/** Counts, children included; undefined is what this kernel does not count. */
export type CgroupCounters = Record<
  // Periods of the quota that have passed, and those in which processes had to wait.
  | ("user_ns" | "system_ns" | "periods" | "throttledPeriods" | "throttled_ns")
  // How often the limit of memory was reached; the limit of threads.
  | ("cache_bytes" | "swap_bytes" | "peak_bytes" | "limitHits" | "threadsMax"),
  number | undefined
> & { io: DeviceIo[] };

/**
 * The machine's cgroups, v1 or v2. A path is absolute within the hierarchy (`/r2k/default/pod1`)
 * and the same in all v1 hierarchies.
 */
export interface Cgroups {
  readonly version: 1 | 2 | "none";
  /** Controllers that can be used. */
  readonly controllers: readonly string[];
  /** Makes the group and its parents; not an error when it is there. */
  create(path: string): void;
  exists(path: string): boolean;
  /** Names of the groups directly below, with their CPU shares; none when it does not exist. */
  cpuSharesBelow(path: string): ReadonlyMap<string, number>;
  setLimits(path: string, limits: CgroupLimits): void;
  /** Usage of a group; undefined when it does not exist. */
  usage(path: string): CgroupUsage | undefined;
  /** Counts for metrics, besides the usage; undefined when the group does not exist. */
  counters(path: string): CgroupCounters | undefined;
  /** Times that the kernel killed for memory in this group; undefined when it is not there. */
  oomKills(path: string): number | undefined;
  /** Processes of the group and of all below it. */
  pids(path: string): number[];
  /** Sends SIGKILL to all of `pids`. */
  kill(path: string): void;
  /**
   * Kills what is in the group and below it and removes them all. Dying processes keep a group
   * busy for some milliseconds: it is tried until `timeout_ms` (10 s), then the error is EBUSY's.
   */
  remove(path: string, options: { clock: Clock; timeout_ms?: number }): Promise<void>;
  /** Removes the group where it has no group below it and no process; else it stays. */
  removeEmpty(path: string): void;
}
