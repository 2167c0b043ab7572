import { mkdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { CgroupMode } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { inUserNamespace, readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { type Check, failed, ok, warning } from "./check.ts";

interface Tried {
  /** `v1 at /sys/fs/cgroup/memory`. */
  readonly where: string;
  /** Why no group can be made there; undefined when one can. */
  readonly refused: string | undefined;
}

async function tryCgroups(): Promise<Tried> {
  const mounts = await readFile("/proc/self/mountinfo", "utf8");
  const v1 = /^.* (\S+) rw\S* .*- cgroup \S+ \S*\bmemory\b/m.exec(mounts);
  const memoryRoot = v1?.[0].split(" ")[4] ?? "/sys/fs/cgroup";
  const where = `${v1 ? "v1" : "v2"} at ${memoryRoot}`;
  const probe = join(memoryRoot, "r2k-preflight");
  try {
    // One that was killed here has left it.
    await mkdir(probe, { recursive: true });
    await rmdir(probe);
    return { where, refused: undefined };
  } catch (thrown) {
    // Another command that tried it at the same time.
    if (isErrno(thrown, "ENOENT")) return { where, refused: undefined };
    return { where, refused: messageOf(thrown) };
  }
}

/**
 * The cgroups with which a cluster can work here. In a user namespace they are the host's, and it
 * works without when they cannot be written; elsewhere that is a failure, which the check reports.
 */
export async function cgroupModeHere(): Promise<CgroupMode> {
  const { refused } = await tryCgroups();
  return refused !== undefined && inUserNamespace(readMappedIds()) ? "none" : "machine";
}

export const cgroups: Check = {
  name: "cgroups",
  async ask() {
    const { where, refused } = await tryCgroups();
    if (refused === undefined) return ok(`${where}, writable`);
    if (!inUserNamespace(readMappedIds())) {
      return failed(`${where}: ${refused}`, "run as root where cgroups are writable");
    }
    return warning(
      `${where}: ${refused}; the cluster will do without: no limits, no statistics, no hostPID`,
      "run as root to have them",
    );
  },
};
