import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readRegular } from "@raft2kube/linux/file/read-regular.ts";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { errno, isErrno, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { VOLUME_DATA_BYTES_MAX } from "../limits.ts";
import { CSI_PLUGIN_DIR, devicePath, targetPath } from "./csi-paths.ts";
import { VolumeError } from "./volume-error.ts";

const log = logger("kubelet-volumes");

const FILE = "vol_data.json";

/**
 * Data that tearDown needs when the volume's objects are deleted from the API: on disk beside its
 * mount from before the first call of the driver until after the last. Field names are upstream's.
 */
export interface CsiVolumeData {
  driverName: string;
  volumeHandle: string;
  specVolID: string;
  nodeName: string;
  volumeLifecycleMode: "Persistent" | "Ephemeral";
  /**
   * Whether the volume was completely set up, so that a restarted kubelet need not call the driver.
   */
  setUp: boolean;
  /** Whether NodePublishVolume is repeated at each sync. */
  republish: boolean;
  /** Whether the pod can only read it. */
  readOnly: boolean;
  /** Whether it is a block device. */
  block: boolean;
  /** The name of its VolumeAttachment; undefined for volumes that are not attached. */
  attachmentID?: string;
}

/** Writes a volume's data, durably. */
export function writeVolumeData(volumeDir: string, data: CsiVolumeData): Promise<void> {
  return replaceFile(join(volumeDir, FILE), JSON.stringify(data));
}

/** Reads a volume's data; undefined when there is none. Throws VolumeError when it is damaged. */
export async function readVolumeData(volumeDir: string): Promise<CsiVolumeData | undefined> {
  const file = join(volumeDir, FILE);
  try {
    const read = readRegular(file, VOLUME_DATA_BYTES_MAX);
    const text = await tolerate(read, errno("ENOENT", "ENOTDIR"));
    return text === undefined ? undefined : parse(file, text);
  } catch (thrown) {
    // Drivers in pods have this folder too.
    if (!isErrno(thrown, "NOT_REGULAR", "TOO_BIG")) throw thrown;
    throw new VolumeError("InvalidPath", `${file} is damaged: ${messageOf(thrown)}`);
  }
}

function parse(file: string, text: string): CsiVolumeData {
  let data: Partial<CsiVolumeData>;
  try {
    data = JSON.parse(text) as Partial<CsiVolumeData>;
  } catch (thrown) {
    throw new VolumeError("InvalidPath", `${file} is damaged: ${messageOf(thrown)}`);
  }
  const { driverName, volumeHandle, specVolID = "", nodeName = "" } = data;
  if (typeof driverName !== "string" || typeof volumeHandle !== "string") {
    throw new VolumeError("InvalidPath", `${file} is damaged: it names no driver or volume`);
  }
  const volumeLifecycleMode = data.volumeLifecycleMode ?? "Persistent";
  return {
    driverName,
    volumeHandle,
    specVolID,
    nodeName,
    volumeLifecycleMode,
    setUp: data.setUp === true,
    republish: data.republish === true,
    readOnly: data.readOnly === true,
    block: data.block === true,
    ...(typeof data.attachmentID === "string" && { attachmentID: data.attachmentID }),
  };
}

/**
 * Returns the directories of all pods on the node that have this volume. A directory whose data is
 * damaged may have any volume while something is mounted in it, and has none otherwise: it does not
 * keep others' volumes mounted.
 */
export async function usersOfVolume(
  podsDir: string,
  volume: { driverName: string; volumeHandle: string },
): Promise<string[]> {
  const users: string[] = [];
  for await (const dir of volumeDirs(podsDir)) {
    if (await mayHave(dir, volume)) users.push(dir);
  }
  return users;
}

async function mayHave(
  dir: string,
  volume: { driverName: string; volumeHandle: string },
): Promise<boolean> {
  try {
    const data = await readVolumeData(dir);
    return data?.driverName === volume.driverName && data.volumeHandle === volume.volumeHandle;
  } catch (thrown) {
    if (!(thrown instanceof VolumeError)) throw thrown;
    const device = await tolerate(lstat(devicePath(dir)), errno("ENOENT", "ENOTDIR"));
    const inUse = device !== undefined || isMountPoint(targetPath(dir));
    const error = messageOf(thrown);
    log.warn("the volume of a pod is not known", { dir, mayHaveAny: inUse, error });
    return inUse;
  }
}

/** Finds the directories of all CSI volumes of pods on the node. */
export async function* volumeDirs(podsDir: string): AsyncGenerator<string> {
  for (const podUid of await namesIn(podsDir)) {
    const plugin = join(podsDir, podUid, "volumes", CSI_PLUGIN_DIR);
    for (const name of await namesIn(plugin)) yield join(plugin, name);
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return (await tolerate(readdir(directory), errno("ENOENT", "ENOTDIR"))) ?? [];
}
