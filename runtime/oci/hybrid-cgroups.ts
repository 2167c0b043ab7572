import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { KEEPS_CONTROLLERS } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "../errors.ts";

const v1In = (mounts: MountInfo) =>
  mounts.filter(({ type, source }) => type === "cgroup" && source !== KEEPS_CONTROLLERS);

type MountInfo = ReturnType<typeof readMountInfo>;

/** Whether a machine has both versions, and its containers live in v1. */
export const isHybrid = (mounts = readMountInfo()): boolean =>
  mounts.some(({ type }) => type === "cgroup2") &&
  v1In(mounts).some(({ superOptions }) => superOptions.includes("memory"));

/**
 * Controllers, by hierarchy, that must stay out of v2 on a machine whose containers live in v1:
 * those that v2 holds, and those that another runtime keeps out of it while it serves. crun
 * refuses such a hybrid ("drop all controllers from cgroupv2"); runc does not. Empty on other
 * machines. `table` is the text of /proc/cgroups.
 */
export function hybridControllers(
  mounts = readMountInfo(),
  table = readFileSync("/proc/cgroups", "utf8"),
): string[][] {
  const mounted = new Set(v1In(mounts).flatMap(({ superOptions }) => superOptions));
  const unified = mounts.find(({ type }) => type === "cgroup2");
  if (!unified || !isHybrid(mounts)) return [];
  const file = path.join(unified.mountPoint, "cgroup.controllers");
  if (!existsSync(file)) return []; // hidden beneath another mount
  const inTheWay = readFileSync(file, "utf8").trim().split(/\s+/).filter(Boolean);
  const hierarchies = new Map([["0", inTheWay]]);
  for (const line of table.split("\n").slice(1)) {
    const [name = "", hierarchy = "0"] = line.split("\t");
    // The two files are read one after the other: a controller may just have been given back.
    if (hierarchy === "0" || mounted.has(name) || inTheWay.includes(name)) continue;
    hierarchies.set(hierarchy, [...(hierarchies.get(hierarchy) ?? []), name]);
  }
  return [...hierarchies.values()].filter((names) => names.length > 0);
}

/**
 * Takes those controllers into v1 hierarchies, as crun asks, by mounting them at `directory`: the
 * kernel gives them back when no program has them mounted. Nothing is put into them. Does nothing
 * where there are none. Throws failed-precondition when someone uses them in v2.
 */
export function takeHybridControllers(directory: string): void {
  const mounts = readMountInfo();
  const kept = mounts.filter(({ mountPoint }) => mountPoint === directory);
  for (const controllers of hybridControllers(mounts)) {
    if (kept.some(({ superOptions }) => superOptions.includes(controllers[0]!))) continue;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    try {
      const data = controllers.join(",");
      mount({ source: KEEPS_CONTROLLERS, target: directory, type: "cgroup", data });
    } catch (cause) {
      if (!isErrno(cause, "EBUSY", "EINVAL")) throw cause;
      const message = `crun needs ${controllers.join(", ")} out of cgroup v2: ${messageOf(cause)}`;
      throw new RuntimeError("failed-precondition", message, { cause, remedy: "use runc" });
    }
  }
}

/** Gives them back; again is no error. */
export function giveBackHybridControllers(directory: string): void {
  while (unmount(directory, { detach: true }));
}
