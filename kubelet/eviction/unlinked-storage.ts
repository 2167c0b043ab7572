import { stat } from "node:fs/promises";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { TreeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import { splitDeviceNumber } from "@raft2kube/linux/file/special-file.ts";
import { type MountInfo, readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { unlinkedUsage } from "@raft2kube/linux/process/unlinked-files.ts";
import { containersOf, uidOf } from "../pods/pod-identity.ts";
import { type PodPaths, podDir } from "../pods/pod-paths.ts";
import { isNetworkType } from "../volumes/network-mount.ts";
import { NOTHING } from "./local-storage.ts";

/**
 * Measures the files on the node's disk that the pod's processes keep without a name. Those of a
 * pod that may have files of a server are not looked at: it need not answer.
 */
export async function unlinkedStorage(
  pod: Pod,
  paths: PodPaths,
  processes: readonly number[],
): Promise<TreeUsage> {
  if (processes.length === 0 || !hasOwnFilesOnly(pod)) return NOTHING;
  const mounts = readMountInfo();
  const own = `${podDir(paths, uidOf(pod))}/`;
  const isOfServer = ({ mountPoint, type }: MountInfo) =>
    isNetworkType(type) && mountPoint.startsWith(own);
  if (mounts.some(isOfServer)) return NOTHING;
  const { major, minor } = splitDeviceNumber((await stat(paths.rootDir)).dev);
  const layers = mounts.filter(({ type }) => type === "overlay").map(({ device }) => device);
  return unlinkedUsage(processes, new Set([`${major}:${minor}`, ...layers]));
}

/** Whether the pod has none of the node's files, and can mount nothing. */
function hasOwnFilesOnly(pod: Pod): boolean {
  if ((pod.spec.volumes ?? []).some(({ hostPath, nfs }) => hostPath || nfs)) return false;
  return containersOf(pod).every(({ container: { securityContext } }) => {
    const added = securityContext?.capabilities?.add ?? [];
    const mounts = added.some((name) => ["ALL", "SYS_ADMIN", "CAP_SYS_ADMIN"].includes(name));
    return !mounts && !securityContext?.privileged;
  });
}
