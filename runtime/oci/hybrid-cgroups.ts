import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { KEEPS_CONTROLLERS } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "../errors.ts";

/**
 * Controllers that the v2 hierarchy holds on a machine whose containers live in v1. crun refuses
 * such a hybrid ("drop all controllers from cgroupv2"); runc does not. Empty on other machines.
 */
export function controllersInTheWay(mounts = readMountInfo()): string[] {
  const unified = mounts.find((mounted) => mounted.type === "cgroup2");
  const hasV1 = mounts.some(
    (mounted) => mounted.type === "cgroup" && mounted.superOptions.includes("memory"),
  );
  if (!unified || !hasV1) return [];
  const file = path.join(unified.mountPoint, "cgroup.controllers");
  if (!existsSync(file)) return []; // hidden beneath another mount
  return readFileSync(file, "utf8").trim().split(/\s+/).filter(Boolean);
}

/**
 * Takes those controllers into a v1 hierarchy, as crun asks, by mounting one at `directory`: the
 * kernel gives them back when it is unmounted. Nothing is put into it. Does nothing where there are
 * none. Throws failed-precondition when someone uses them in v2.
 */
export function takeHybridControllers(directory: string): void {
  const controllers = controllersInTheWay();
  if (controllers.length === 0) return;
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

/** Gives them back; again is no error. */
export function giveBackHybridControllers(directory: string): void {
  unmount(directory, { detach: true });
}
