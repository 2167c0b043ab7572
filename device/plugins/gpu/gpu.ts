import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  ContainerAllocateResponse,
  ContainerPreferredAllocationRequest,
  Device,
} from "@raft2kube/proto/gen/deviceplugin.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";

/** A simulated GPU: nothing computes on it. */
export interface Gpu {
  /** `gpu-0` */
  readonly id: string;
  readonly memory_mib: number;
  readonly numaNode: number;
}

/** The GPUs of a node; each is offered in `shares` devices with an equal part of its memory. */
export interface Gpus {
  readonly gpus: readonly Gpu[];
  readonly shares: number;
  /** The device node of each GPU. */
  readonly devicePath: string;
}

/** The id of a GPU's share: `gpu-0::3`. The kubelet sees an ordinary device. */
export const shareId = (gpu: string, share: number): string => `${gpu}::${share}`;

/** The GPU of a share. */
export const gpuOf = (share: string): string => share.slice(0, share.indexOf("::"));

/**
 * Returns the devices of ListAndWatch: the shares of every GPU in its order, each with the GPU's
 * NUMA node. The shares of a GPU in `unhealthy` are "Unhealthy", all others "Healthy". Pure.
 */
export function sharesOf(node: Gpus, unhealthy: ReadonlySet<string>): Init<Device>[] {
  // lab:18 begin shares-of
  return node.gpus.flatMap(({ id, numaNode }) => {
    const health = unhealthy.has(id) ? "Unhealthy" : "Healthy";
    return Array.from({ length: node.shares }, (_, share) => ({
      ID: shareId(id, share),
      health,
      topology: { nodes: [{ ID: numaNode }] },
    }));
  });
  // lab:18 end
}

/**
 * Returns the allocation of some shares to a container: R2K_GPUS has the GPUs, sorted as text and
 * separated by commas; R2K_GPU_MEMORY_MIB has, for each of them, the memory of its shares
 * (`8192,4096`): one share's, rounded down to a MiB, times their count. Each GPU has one device
 * node, `/dev/r2k-gpu/<id>`, with the permissions `rw`. Throws RpcError INVALID_ARGUMENT for a
 * share that does not exist. Pure.
 */
export function allocationOf(
  node: Gpus,
  shares: readonly string[],
): Init<ContainerAllocateResponse> {
  // lab:18 begin allocation-of
  const known = new Map(sharesOf(node, new Set()).map(({ ID }) => [ID!, gpuOf(ID!)]));
  const unknown = shares.find((share) => !known.has(share));
  if (unknown !== undefined) {
    throw new RpcError(Status.INVALID_ARGUMENT, `there is no device ${unknown}`);
  }
  const used = node.gpus
    .map(({ id, memory_mib }) => {
      const count = shares.filter((share) => known.get(share) === id).length;
      return { id, count, memory_mib: Math.floor(memory_mib / node.shares) * count };
    })
    .filter(({ count }) => count > 0)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    envs: {
      R2K_GPUS: used.map(({ id }) => id).join(","),
      R2K_GPU_MEMORY_MIB: used.map(({ memory_mib }) => memory_mib).join(","),
    },
    devices: used.map(({ id }) => ({
      containerPath: `/dev/r2k-gpu/${id}`,
      hostPath: node.devicePath,
      permissions: "rw",
    })),
  };
  // lab:18 end
}

/**
 * Answers GetPreferredAllocation: `mustIncludeDeviceIDs` first, then shares of as few GPUs as
 * possible: those of the GPUs that it has already, then of the GPU with the most available shares
 * if none has enough for the rest, else of the GPU with the fewest that has enough. Ties: the
 * id that sorts first as text. Any shares of a GPU do. Pure.
 */
export function preferPacked(request: ContainerPreferredAllocationRequest): string[] {
  // lab:18 begin prefer-packed
  const { availableDeviceIDs, mustIncludeDeviceIDs, allocationSize } = request;
  const chosen = [...mustIncludeDeviceIDs];
  const left = new Map<string, string[]>();
  for (const share of [...availableDeviceIDs].sort()) {
    if (chosen.includes(share)) continue;
    left.set(gpuOf(share), [...(left.get(gpuOf(share)) ?? []), share]);
  }
  const take = (gpu: string) => {
    chosen.push(...(left.get(gpu) ?? []).slice(0, allocationSize - chosen.length));
    left.delete(gpu);
  };
  for (const gpu of new Set(chosen.map(gpuOf))) take(gpu);
  while (chosen.length < allocationSize && left.size > 0) {
    const missing = allocationSize - chosen.length;
    const bySize = [...left].sort(([, a], [, b]) => a.length - b.length);
    const enough = bySize.find(([, shares]) => shares.length >= missing);
    const most = bySize.find(([, shares]) => shares.length === bySize.at(-1)![1].length);
    take((enough ?? most)![0]);
  }
  return chosen;
  // lab:18 end
}
