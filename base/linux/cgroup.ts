import { noCgroups } from "./cgroup-none.ts";
import { cgroupV1 } from "./cgroup-v1.ts";
import { cgroupV2 } from "./cgroup-v2.ts";
import { readMountInfo, type MountInfo } from "./mountinfo.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

/** Limits of a group; what is absent stays as it is. The words are the OCI runtime spec's. */
export interface CgroupLimits {
  /** v1's relative weight, 2 to 262144; converted for v2. */
  cpuShares?: number;
  /** Microseconds of CPU in a period; -1 lifts the limit. */
  cpuQuota_us?: number;
  cpuPeriod_us?: number;
  /** -1 lifts the limit. */
  memory_bytes?: number;
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
    /** Undefined when there is no limit. */
    limit_bytes: number | undefined;
  };
  pids: number;
}

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
  setLimits(path: string, limits: CgroupLimits): void;
  /** Undefined when the group is not there. */
  usage(path: string): CgroupUsage | undefined;
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

/**
 * `machine`: the hierarchies that are mounted. `none`: pods go without limits and statistics, where
 * groups cannot be made. Decided once, when a cluster is started.
 */
export type CgroupMode = "machine" | "none";

/** No usable cgroup hierarchy is mounted. */
export class NoCgroupsError extends CodedError {
  override readonly name = "NoCgroupsError";
}

/**
 * The layout of this machine: v2 when the unified hierarchy has the memory controller, else v1.
 * A hybrid layout (v1 controllers and an almost empty v2) counts as v1.
 */
export function openCgroups(mounts: MountInfo[] = readMountInfo()): Cgroups {
  const unified = mounts.find((mount) => mount.type === "cgroup2");
  const v1 = new Map<string, string>();
  for (const mount of mounts) {
    if (mount.type !== "cgroup" || mount.root !== "/") continue;
    for (const option of mount.superOptions) {
      if (!v1.has(option)) v1.set(option, mount.mountPoint);
    }
  }
  if (v1.has("memory") && v1.has("cpu")) return cgroupV1(v1, unified?.mountPoint);
  if (unified !== undefined) return cgroupV2(unified.mountPoint);
  throw new NoCgroupsError("ENOCGROUP", "neither cgroup v2 nor the v1 cpu and memory are mounted", {
    remedy: "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
  });
}

/** The cgroups that a part works with. */
export function cgroupsOf(mode: CgroupMode): Cgroups {
  return mode === "none" ? noCgroups() : openCgroups();
}
