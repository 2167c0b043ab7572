import { CodedError } from "@raft2kube/std/errors.ts";
import { type MountInfo, readMountInfo } from "../mount/mountinfo.ts";
import type { Cgroups } from "./cgroup.ts";
import { noCgroups } from "./cgroup-none.ts";
import { cgroupV1 } from "./cgroup-v1.ts";
import { cgroupV2 } from "./cgroup-v2.ts";

/**
 * `machine`: the hierarchies that are mounted. `none`: pods go without limits and statistics, where
 * groups cannot be made. Decided once, when a cluster is started.
 */
export type CgroupMode = "machine" | "none";

/**
 * The source of a mount that keeps controllers out of v2 for as long as a runtime serves. It goes
 * with that runtime, so no groups are made in it.
 */
export const KEEPS_CONTROLLERS = "r2k-keeps-controllers";

/**
 * The layout of this machine: v2 when the unified hierarchy has the memory controller, else v1.
 * A hybrid layout (v1 controllers and an almost empty v2) counts as v1.
 */
export function openCgroups(mounts: MountInfo[] = readMountInfo()): Cgroups {
  const unified = mounts.find((mount) => mount.type === "cgroup2");
  const v1 = new Map<string, string>();
  for (const mount of mounts) {
    if (mount.type !== "cgroup" || mount.root !== "/") continue;
    if (mount.source === KEEPS_CONTROLLERS) continue;
    for (const option of mount.superOptions) {
      if (!v1.has(option)) v1.set(option, mount.mountPoint);
    }
  }
  if (v1.has("memory") && v1.has("cpu")) return cgroupV1(v1, unified?.mountPoint);
  if (unified !== undefined) return cgroupV2(unified.mountPoint);
  throw new CodedError("ENOCGROUP", "neither cgroup v2 nor the v1 cpu and memory are mounted", {
    remedy: "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
  });
}

/** The cgroups that a part works with. */
export function cgroupsOf(mode: CgroupMode): Cgroups {
  return mode === "none" ? noCgroups() : openCgroups();
}
