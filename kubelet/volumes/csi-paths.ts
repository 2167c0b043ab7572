import { createHash } from "node:crypto";
import { join } from "node:path";

/** The plugin's name on disk, below `pods/<uid>/volumes/`. */
export const CSI_PLUGIN_DIR = "kubernetes.io~csi";

/** Returns the target path of a volume, which its pod mounts. */
export const targetPath = (volumeDir: string): string => join(volumeDir, "mount");

/** Returns the target path of a block volume: the driver makes the device's node there. */
export const devicePath = (volumeDir: string): string => join(volumeDir, "device");

/**
 * The folder with one directory per volume that is staged on this node; the layout is upstream's.
 */
export function stagedVolumeDir(rootDir: string, driver: string, volumeHandle: string): string {
  const hash = createHash("sha256").update(volumeHandle).digest("hex");
  return join(rootDir, "plugins", "kubernetes.io", "csi", driver, hash);
}

/** Returns the staging target path, shared by all pods of the node. */
export function stagingPath(rootDir: string, driver: string, volumeHandle: string): string {
  return join(stagedVolumeDir(rootDir, driver, volumeHandle), "globalmount");
}

/** Returns the id of an inline volume: derived from pod and volume name, as upstream. */
export function inlineVolumeHandle(podUid: string, volumeName: string): string {
  return `csi-${createHash("sha256").update(`${podUid}${volumeName}`).digest("hex")}`;
}
