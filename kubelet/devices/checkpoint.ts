import { readFile, stat } from "node:fs/promises";
import { replaceFile } from "@raft2kube/linux/durable-file.ts";
import { ContainerAllocateResponse } from "@raft2kube/proto/gen/deviceplugin.ts";
import { crc32c } from "@raft2kube/std/bytes.ts";
import { CodedError, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { CHECKPOINT_BYTES_MAX } from "./limits.ts";

/** Devices that a container holds, and what its plugin answered for them. */
export interface DeviceEntry {
  podUid: string;
  container: string;
  resource: string;
  deviceIds: string[];
  response: ContainerAllocateResponse;
}

/**
 * What must survive a restart of the kubelet: the devices of each container, and the resources that
 * had plugins.
 */
export interface DeviceCheckpoint {
  entries: DeviceEntry[];
  resources: Record<string, string[]>;
}

/** The checkpoint is damaged: pods would be given devices that others hold. */
export class CheckpointError extends CodedError {
  override readonly name = "CheckpointError";
}

/** Replaces the checkpoint durably. Its structure follows upstream's; the checksum is our own. */
export function writeCheckpoint(file: string, checkpoint: DeviceCheckpoint): Promise<void> {
  const data = {
    PodDeviceEntries: checkpoint.entries.map((entry) => ({
      PodUID: entry.podUid,
      ContainerName: entry.container,
      ResourceName: entry.resource,
      DeviceIDs: entry.deviceIds,
      AllocResp: ContainerAllocateResponse.encode(entry.response).toString("base64"),
    })),
    RegisteredDevices: checkpoint.resources,
  };
  return replaceFile(file, JSON.stringify({ Data: data, Checksum: checksumOf(data) }));
}

/** Reads the checkpoint; a missing file is an empty checkpoint. Throws CheckpointError. */
export async function readCheckpoint(file: string): Promise<DeviceCheckpoint> {
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > CHECKPOINT_BYTES_MAX) throw damaged(file, `it has ${size} bytes`);
    text = await readFile(file, "utf8");
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return { entries: [], resources: {} };
    throw thrown;
  }
  try {
    return parse(text);
  } catch (thrown) {
    throw damaged(file, messageOf(thrown));
  }
}

interface StoredEntry {
  PodUID: string;
  ContainerName: string;
  ResourceName: string;
  DeviceIDs: string[];
  AllocResp: string;
}

interface Stored {
  PodDeviceEntries: StoredEntry[];
  RegisteredDevices: Record<string, string[]>;
}

function parse(text: string): DeviceCheckpoint {
  const { Data: data, Checksum: checksum } = JSON.parse(text) as { Data: Stored; Checksum: number };
  if (checksumOf(data) !== checksum) throw new TypeError("checksum mismatch");
  return {
    entries: data.PodDeviceEntries.map((entry) => ({
      podUid: entry.PodUID,
      container: entry.ContainerName,
      resource: entry.ResourceName,
      deviceIds: entry.DeviceIDs,
      response: ContainerAllocateResponse.decode(Buffer.from(entry.AllocResp, "base64")),
    })),
    resources: data.RegisteredDevices,
  };
}

function checksumOf(data: unknown): number {
  return crc32c(Buffer.from(JSON.stringify(data) ?? ""));
}

function damaged(file: string, why: string): CheckpointError {
  return new CheckpointError("CheckpointDamaged", `${file} is damaged: ${why}`, {
    remedy: "stop the pods that use devices, then remove the file",
  });
}
