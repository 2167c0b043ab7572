import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { requireDevice } from "../../lib/device-node.ts";
import { startDevicePlugin } from "../../lib/device-plugin.ts";
import { DeviceSet } from "../../lib/device-set.ts";
import { followFile } from "../../lib/follow-file.ts";
import { allocationOf, type Gpus, preferPacked, sharesOf } from "./gpu.ts";
import { GPUS_MAX, SHARES_MAX } from "./limits.ts";

export const GPU_RESOURCE_NAME = "r2k.dev/gpu";

export interface GpuPluginOptions {
  /** The kubelet's root directory. */
  kubeletDir: string;
  /** Number of simulated GPUs; they alternate between the NUMA nodes 0 and 1. */
  count: number;
  memory_mib: number;
  /** How many containers can share a GPU. */
  shares: number;
  /** The device node of each GPU. Default `/dev/null`. */
  devicePath?: string;
  /** A file with the ids of unhealthy GPUs, one per line; without it all are healthy. */
  healthFile?: string;
  clock: Clock;
}

/**
 * Starts the plugin of simulated GPUs with memory, shared by several containers. Throws CodedError
 * if a number or the device node is invalid.
 */
export async function startGpuPlugin(
  options: GpuPluginOptions,
): Promise<{ close(): Promise<void> }> {
  const { kubeletDir, healthFile, clock } = options;
  const node = gpusOf(options);
  await requireDevice(node.devicePath);
  const devices = new DeviceSet(sharesOf(node, new Set()));
  const health =
    healthFile === undefined
      ? undefined
      : followFile(healthFile, clock, (text) => {
          const unhealthy = new Set(text.split("\n").map((line) => line.trim()));
          devices.set(sharesOf(node, unhealthy));
        });
  const plugin = startDevicePlugin({
    kubeletDir,
    socketName: `${GPU_RESOURCE_NAME.replaceAll("/", "_")}.sock`,
    behaviour: {
      resourceName: GPU_RESOURCE_NAME,
      devices,
      allocate: (shares) => allocationOf(node, shares),
      prefer: preferPacked,
    },
    clock,
  });
  return {
    async close() {
      health?.close();
      await plugin.close();
    },
  };
}

function gpusOf({ count, memory_mib, shares, devicePath }: GpuPluginOptions): Gpus {
  requireNumber("the number of GPUs", count, GPUS_MAX);
  requireNumber("the number of shares", shares, SHARES_MAX);
  requireNumber("a GPU's memory in MiB", memory_mib, Number.MAX_SAFE_INTEGER);
  const gpus = Array.from({ length: count }, (_, i) => {
    return { id: `gpu-${i}`, memory_mib, numaNode: i % 2 };
  });
  return { gpus, shares, devicePath: devicePath ?? "/dev/null" };
}

function requireNumber(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return;
  throw new CodedError("BadCount", `${name} must be 1 to ${max}: ${value}`);
}
