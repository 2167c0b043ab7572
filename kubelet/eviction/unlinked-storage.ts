import { stat } from "node:fs/promises";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { type TreeUsage, wholeFileSystem } from "@raft2kube/linux/beneath/tree-usage.ts";
import { splitDeviceNumber } from "@raft2kube/linux/file/special-file.ts";
import { type MountInfo, mountsNamingAside } from "@raft2kube/linux/mount/mountinfo.ts";
import { unlinkedUsage } from "@raft2kube/linux/process/unlinked-files.ts";
import { UNLINKED_LOOKS_MAX } from "../limits.ts";
import { containersOf, uidOf } from "../pods/pod-identity.ts";
import { type PodPaths, podDir } from "../pods/pod-paths.ts";
import { EMPTY_DIR_PLUGIN } from "../volumes/empty-dir.ts";
import { isNetworkType } from "../volumes/network-mount.ts";
import { NOTHING } from "./local-storage.ts";

/**
 * Measures the files on the node's disk that the pod's processes keep without a name. Those of a
 * pod that may have files of a server are not looked at: it need not answer. More descriptors than
 * are looked at count as the whole disk.
 */
export async function unlinkedStorage(
  pod: Pod,
  paths: PodPaths,
  processes: readonly number[],
  mounts: (path: string) => MountInfo[] | Promise<MountInfo[]> = mountsNamingAside,
  looks_max = UNLINKED_LOOKS_MAX,
): Promise<TreeUsage> {
  if (processes.length === 0 || !hasOwnFilesOnly(pod)) return NOTHING;
  const own = `${podDir(paths, uidOf(pod))}/`;
  const isOfServer = ({ mountPoint, type }: MountInfo) =>
    isNetworkType(type) && mountPoint.startsWith(own);
  const hasOthersVolumes = mayHaveServer(pod);
  if (hasOthersVolumes && (await mounts(own)).some(isOfServer)) return NOTHING;
  const { major, minor } = splitDeviceNumber((await stat(paths.rootDir)).dev);
  // A claim's files may be on the same disk, from another directory of it, and do not count.
  const isOwn = ({ type, root }: MountInfo) =>
    (type === "overlay" && root === "/") ||
    root.includes(`/pods/${uidOf(pod)}/volumes/${EMPTY_DIR_PLUGIN}/`);
  const devices = new Set([`${major}:${minor}`]);
  // Another pod may send a file of its server through a socket: in a volume that both have, or on
  // the node's network, whose abstract sockets all its pods reach.
  const isReached = hasOthersVolumes || pod.spec.hostNetwork === true;
  const measured = { isOwn, devices, looks_max, mayHaveServer: isReached };
  const usage = await unlinkedUsage(processes, measured);
  return usage ?? wholeFileSystem(paths.rootDir);
}

/** Whether a volume of the pod may be a mount of a server: the list of all mounts is long. */
function mayHaveServer(pod: Pod): boolean {
  return (pod.spec.volumes ?? []).some(
    ({ emptyDir, configMap, secret, projected, downwardAPI }) =>
      !(emptyDir || configMap || secret || projected || downwardAPI),
  );
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
