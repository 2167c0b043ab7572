import { lstatSync, statSync } from "node:fs";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { type TreeUsage, treeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import { deviceNumber } from "@raft2kube/linux/file/special-file.ts";
import { fileOfLoopDevice } from "@raft2kube/linux/mount/loop-device.ts";
import { mountsNamingAside } from "@raft2kube/linux/mount/mountinfo.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { type PodPaths, volumeDir } from "../pods/pod-paths.ts";
import { CSI_PLUGIN_DIR, targetPath } from "../volumes/csi-paths.ts";
import { NOTHING } from "./local-storage.ts";

/** The unit of `blocks` in stat(2). */
const BLOCK_BYTES = 512;

/**
 * Measures the pod's inline CSI volumes that lie on the node's disk, as the hostpath driver's do: a
 * directory of it, or a file by a loop device. Those of servers are none of it; no mount is visited
 * before that is known, since a server may not answer. Upstream counts none.
 */
export async function inlineVolumes(pod: Pod, paths: PodPaths): Promise<Map<string, TreeUsage>> {
  const usages = new Map<string, TreeUsage>();
  const own = (pod.spec.volumes ?? []).filter(({ csi }) => csi !== undefined);
  if (own.length === 0) return usages;
  const points = await mountsNamingAside(volumeDir(paths, uidOf(pod), CSI_PLUGIN_DIR, ""));
  const devices = new Map(points.map(({ mountPoint, device }) => [mountPoint, device]));
  const disk = statSync(paths.rootDir).dev;
  for (const { name } of own) {
    const target = targetPath(volumeDir(paths, uidOf(pod), CSI_PLUGIN_DIR, name));
    const [major, minor] = devices.get(target)?.split(":").map(Number) ?? [];
    if (major === undefined || minor === undefined) continue;
    const device = deviceNumber(major, minor);
    const file = fileOfLoopDevice(device);
    if (file !== undefined) usages.set(name, fileUsage(file));
    else if (device === disk) usages.set(name, await treeUsage(target));
  }
  return usages;
}

/** Usage of one file; that of one that is not there is nothing. */
export function fileUsage(file: string): TreeUsage {
  const stats = lstatSync(file, { throwIfNoEntry: false });
  return stats ? { used_bytes: stats.blocks * BLOCK_BYTES, inodes: 1 } : NOTHING;
}
