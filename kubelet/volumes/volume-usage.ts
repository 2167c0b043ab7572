import { type TreeUsage, treeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import { filesystemSpace } from "../node/machine.ts";

/** Usage and capacity of a volume; undefined where its driver does not report it. */
export interface VolumeUsage {
  capacity_bytes: number | undefined;
  available_bytes: number | undefined;
  used_bytes: number | undefined;
  inodes: number | undefined;
  inodesFree: number | undefined;
  inodesUsed: number | undefined;
  /** Whether the pod can only read it, so that it put nothing there. */
  readOnly?: boolean;
  /** Condition of the volume, of a driver that reports it. */
  condition?: "normal" | "abnormal";
  /** The reason, if the driver says that the volume is not in order. */
  abnormal?: string;
}

/**
 * Returns the usage of a directory volume and the space of its file system. `measured`: the tree's
 * usage, if it is measured already.
 */
export async function directoryUsage(dir: string, measured?: TreeUsage): Promise<VolumeUsage> {
  const { used_bytes, inodes: inodesUsed } = measured ?? (await treeUsage(dir));
  return { ...(await filesystemSpace(dir)), used_bytes, inodesUsed };
}
