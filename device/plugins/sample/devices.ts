import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  ContainerAllocateResponse,
  ContainerPreferredAllocationRequest,
  Device,
} from "@raft2kube/proto/gen/deviceplugin.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";

/** `sample-0` to `sample-<count - 1>`. */
export function deviceIds(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `sample-${i}`);
}

/**
 * All devices, those named by the health file unhealthy: one id per line, unknown ones ignored.
 * Pure.
 */
export function devicesOf(count: number, healthFile: string): Init<Device>[] {
  const unhealthy = new Set(healthFile.split("\n").map((line) => line.trim()));
  return deviceIds(count).map((ID) => ({
    ID,
    health: unhealthy.has(ID) ? "Unhealthy" : "Healthy",
  }));
}

/**
 * What a container gets: the names in R2K_SAMPLE_DEVICES, and each device as a node of its own
 * under `/dev/r2k/`. Throws RpcError INVALID_ARGUMENT for a device that is not ours. Pure.
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

/** Prefers the lowest numbers, as if neighbours shared a bus. Pure. */
export function preferLowest(request: ContainerPreferredAllocationRequest): string[] {
  const { availableDeviceIDs, mustIncludeDeviceIDs, allocationSize } = request;
  const rest = availableDeviceIDs.filter((id) => !mustIncludeDeviceIDs.includes(id));
  rest.sort((a, b) => numberOf(a) - numberOf(b));
  return [...mustIncludeDeviceIDs, ...rest].slice(0, allocationSize);
}

function numberOf(id: string): number {
  return Number(id.slice(id.lastIndexOf("-") + 1));
}
