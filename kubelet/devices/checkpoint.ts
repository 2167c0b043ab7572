import { ContainerAllocateResponse } from "@raft2kube/proto/gen/deviceplugin.ts";
import { readCheckpointFile, writeCheckpointFile } from "../pods/checkpoint-file.ts";

/** Devices of a container, and their plugin's answer for them. */
export interface DeviceEntry {
  podUid: string;
  container: string;
  resource: string;
  deviceIds: string[];
  response: ContainerAllocateResponse;
}

/**
 * State that must survive a restart of the kubelet: the devices of each container, and the
 * resources that had plugins.
 */
export type DeviceCheckpoint = { entries: DeviceEntry[]; resources: string[] };

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
    // The devices themselves come from the plugins again.
    RegisteredDevices: Object.fromEntries(checkpoint.resources.map((name) => [name, []])),
  };
  return writeCheckpointFile(file, data);
}

/**
 * Reads the checkpoint; a missing file is an empty checkpoint. Throws CheckpointError: with a
 * damaged one, pods would be given devices that others hold.
 */
export async function readCheckpoint(file: string): Promise<DeviceCheckpoint> {
  const remedy = "stop the pods that use devices, then remove the file";
  const data = await readCheckpointFile<Stored>(file, remedy);
  if (data === undefined) return { entries: [], resources: [] };
  return {
    entries: data.PodDeviceEntries.map((entry) => ({
      podUid: entry.PodUID,
      container: entry.ContainerName,
      resource: entry.ResourceName,
      deviceIds: entry.DeviceIDs,
      response: ContainerAllocateResponse.decode(Buffer.from(entry.AllocResp, "base64")),
    })),
    resources: Object.keys(data.RegisteredDevices),
  };
}

interface StoredEntry {
  PodUID: string;
  ContainerName: string;
  ResourceName: string;
  DeviceIDs: string[];
  AllocResp: string;
}

type Stored = { PodDeviceEntries: StoredEntry[]; RegisteredDevices: Record<string, string[]> };
