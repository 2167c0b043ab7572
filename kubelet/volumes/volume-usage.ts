import { type TreeUsage, treeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import { filesystemSpace } from "../node/machine.ts";

/** What a volume holds and has room for; undefined is what its driver does not say. */
export interface VolumeUsage {
  capacity_bytes: number | undefined;
  available_bytes: number | undefined;
  used_bytes: number | undefined;
  inodes: number | undefined;
  inodesFree: number | undefined;
  inodesUsed: number | undefined;
}

/**
 * Usage of a volume that is a directory: what is in it, and the room of its file system. `measured`
 * saves measuring it again.
 */
export async function directoryUsage(dir: string, measured?: TreeUsage): Promise<VolumeUsage> {
  const { used_bytes, inodes: inodesUsed } = measured ?? (await treeUsage(dir));
  return { ...(await filesystemSpace(dir)), used_bytes, inodesUsed };
}
