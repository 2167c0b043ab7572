import { statfs } from "node:fs/promises";
import { type TreeUsage, treeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type NodeGetVolumeStatsResponse,
  VolumeUsage_Unit as Unit,
  type VolumeCondition,
} from "@raft2kube/proto/gen/csi.ts";
import { resourceExhausted } from "../../lib/errors.ts";
import type { HostPathDriver } from "./driver.ts";
import type { HostPathVolume } from "./state.ts";

/**
 * Returns the usage of a volume. For an image, the statistics of its file system, mounted at
 * `shown`. A directory is measured, and its total is its capacity: `used` above `total` is for the
 * kubelet to act on. Of a block device only the size is known.
 */
export async function volumeStats(
  driver: HostPathDriver,
  volume: HostPathVolume,
  shown: string,
): Promise<Init<NodeGetVolumeStatsResponse>> {
  if (volume.block) {
    const total = volume.capacity_bytes;
    return { usage: [{ unit: Unit.BYTES, total }], volumeCondition: conditionFor(volume) };
  }
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(shown);
  const measured = await measure(driver, volume);
  const total = measured ? volume.capacity_bytes : blocks * bsize;
  const used = measured?.used_bytes ?? (blocks - bfree) * bsize;
  const available = measured ? Math.min(total - used, bavail * bsize) : bavail * bsize;
  const inodes = measured ? { total: measured.inodes + ffree, used: measured.inodes } : undefined;
  return {
    usage: [
      { unit: Unit.BYTES, total, used, available: Math.max(0, available) },
      { unit: Unit.INODES, available: ffree, ...(inodes ?? { total: files, used: files - ffree }) },
    ],
    volumeCondition: conditionFor(volume, measured),
  };
}

/** Whether the volume is above its capacity, which the kernel does not let an image be. */
export const conditionOfExcess = async (
  driver: HostPathDriver,
  volume: HostPathVolume,
): Promise<VolumeCondition> => conditionFor(volume, await measure(driver, volume));

/** Throws RESOURCE_EXHAUSTED for a volume above its capacity: it can be read, or expanded. */
export async function requireSpace(driver: HostPathDriver, volume: HostPathVolume): Promise<void> {
  const { abnormal, message } = await conditionOfExcess(driver, volume);
  if (!abnormal) return;
  throw resourceExhausted(`${message}: expand it, or mount it read-only`);
}

/** Measures a volume; undefined where the kernel bounds it. */
async function measure(
  { contents }: HostPathDriver,
  { id }: HostPathVolume,
): Promise<TreeUsage | undefined> {
  if ((await contents.formOf("volumes", id)) !== "directory") return undefined;
  return treeUsage(contents.pathOf("volumes", id));
}

function conditionFor(
  { id, capacity_bytes }: HostPathVolume,
  { used_bytes }: TreeUsage = { used_bytes: 0, inodes: 0 },
): VolumeCondition {
  const abnormal = used_bytes > capacity_bytes;
  const excess = `volume ${id} holds ${used_bytes} bytes, its capacity is ${capacity_bytes}`;
  return { abnormal, message: abnormal ? excess : "the volume is within its capacity" };
}
