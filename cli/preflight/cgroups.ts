import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CgroupMode } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { removeIfEmpty } from "@raft2kube/linux/file/remove-if-empty.ts";
import { inUserNamespace, readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { type Check, type Finding, failed, ok, warning } from "./check.ts";

interface Tried {
  /** `v1 at /sys/fs/cgroup/memory`. */
  readonly where: string;
  /** Why no group can be made there; undefined when one can. */
  readonly refused: string | undefined;
}

/** Prefix of the group that is made and removed to see whether that can be done. */
export const PROBE = "r2k-preflight-";

async function tryCgroups(): Promise<Tried> {
  const mounts = await readFile("/proc/self/mountinfo", "utf8");
  const v1 = /^.* (\S+) rw\S* .*- cgroup \S+ \S*\bmemory\b/m.exec(mounts);
  const memoryRoot = v1?.[0].split(" ")[4] ?? "/sys/fs/cgroup";
  const where = `${v1 ? "v1" : "v2"} at ${memoryRoot}`;
  try {
    await mkdtemp(join(memoryRoot, PROBE));
    // All of them: a preflight that was killed has left one, and no other needs its own any more.
    const names = await readdir(memoryRoot);
    const probes = names.filter((name) => name.startsWith(PROBE));
    await Promise.all(probes.map((name) => removeIfEmpty(join(memoryRoot, name))));
    return { where, refused: undefined };
  } catch (thrown) {
    return { where, refused: messageOf(thrown) };
  }
}

/**
 * The cgroups with which a cluster can work here. In a user namespace they are the host's, and it
 * works without when they cannot be written; elsewhere that is a failure, which the check reports.
 */
export async function cgroupModeHere(): Promise<CgroupMode> {
  if (!inUserNamespace(readMappedIds())) return "machine";
  const { refused } = await tryCgroups();
  return refused === undefined ? "machine" : "none";
}

export const cgroups = {
  name: "cgroups",
  async ask(): Promise<Finding> {
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
} satisfies Check;
