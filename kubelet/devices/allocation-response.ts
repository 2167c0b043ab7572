import type { Init } from "@raft2kube/proto/codec.ts";
import type { Mount } from "@raft2kube/proto/gen/cri.ts";
import type { ContainerAllocateResponse } from "@raft2kube/proto/gen/deviceplugin.ts";
import type { DeviceAllocation } from "./device-allocation.ts";

/**
 * Merges the plugins' responses for one container. Of two values for one variable or path the first
 * wins; the order is that of allocation, the same at every start. Pure.
 */
export function mergeResponses(responses: readonly ContainerAllocateResponse[]): DeviceAllocation {
  const envs = new Map<string, string>();
  const mounts = new Map<string, Init<Mount>>();
  const devices = new Map<string, DeviceAllocation["devices"][number]>();
  const annotations = new Map<string, string>();
  const cdiDevices = new Set<string>();
  for (const response of responses) {
    for (const [key, value] of Object.entries(response.envs)) {
      if (!envs.has(key)) envs.set(key, value);
    }
    for (const { containerPath, hostPath, readOnly } of response.mounts) {
      if (!mounts.has(containerPath)) {
        mounts.set(containerPath, { containerPath, hostPath, readonly: readOnly });
      }
    }
    for (const device of response.devices) {
      if (!devices.has(device.containerPath)) devices.set(device.containerPath, { ...device });
    }
    for (const [key, value] of Object.entries(response.annotations)) {
      if (!annotations.has(key)) annotations.set(key, value);
    }
    for (const { name } of response.cdiDevices) cdiDevices.add(name);
  }
  return {
    envs: [...envs].map(([key, value]) => ({ key, value })),
    mounts: [...mounts.values()],
    devices: [...devices.values()],
    cdiDevices: [...cdiDevices].map((name) => ({ name })),
    annotations: Object.fromEntries(annotations),
  };
}
