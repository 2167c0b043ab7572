import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  ContainerAllocateResponse,
  ContainerPreferredAllocationRequest,
  Device,
} from "@raft2kube/proto/gen/deviceplugin.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";

/** Returns `sample-0` to `sample-<count - 1>`. */
export function deviceIds(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `sample-${i}`);
}

/**
 * Returns all devices; those in the health file (one id per line) are unhealthy. Ignores unknown
 * ids. Pure.
 */
export function devicesOf(count: number, healthFile: string): Init<Device>[] {
  const unhealthy = new Set(healthFile.split("\n").map((line) => line.trim()));
  return deviceIds(count).map((ID) => ({
    ID,
    health: unhealthy.has(ID) ? "Unhealthy" : "Healthy",
  }));
}

/**
 * Returns the allocation for a container: R2K_SAMPLE_DEVICES, and a device node under `/dev/r2k/`
 * for each device. Throws RpcError INVALID_ARGUMENT for an unknown device. Pure.
 */
export function allocationOf(
  ids: readonly string[],
  known: ReadonlySet<string>,
  devicePath: string,
): Init<ContainerAllocateResponse> {
  const unknown = ids.find((id) => !known.has(id));
  if (unknown !== undefined) {
    throw new RpcError(Status.INVALID_ARGUMENT, `there is no device ${unknown}`);
  }
  return {
    envs: { R2K_SAMPLE_DEVICES: ids.join(",") },
    devices: ids.map((id) => ({
      containerPath: `/dev/r2k/${id}`,
      hostPath: devicePath,
      permissions: "rw",
    })),
  };
}

/** Prefers the lowest numbers. Pure. */
export function preferLowest(request: ContainerPreferredAllocationRequest): string[] {
  const { availableDeviceIDs, mustIncludeDeviceIDs, allocationSize } = request;
  const rest = availableDeviceIDs.filter((id) => !mustIncludeDeviceIDs.includes(id));
  rest.sort((a, b) => numberOf(a) - numberOf(b));
  return [...mustIncludeDeviceIDs, ...rest].slice(0, allocationSize);
}

const numberOf = (id: string): number => Number(id.slice(id.lastIndexOf("-") + 1));
