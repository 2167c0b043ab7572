import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { requireDevice } from "../../lib/device-node.ts";
import { startDevicePlugin } from "../../lib/device-plugin.ts";
import { DeviceSet } from "../../lib/device-set.ts";
import { followFile } from "../../lib/follow-file.ts";
import { allocationOf, deviceIds, devicesOf, preferLowest } from "./devices.ts";

export const SAMPLE_RESOURCE_NAME = "r2k.dev/sample";

/** Maximum number of simulated devices. */
const COUNT_MAX = 1_000;

export interface SamplePluginOptions {
  /** The kubelet's root directory. */
  kubeletDir: string;
  resourceName?: string;
  /** Number of simulated devices. */
  count: number;
  /** The device node of each device. Default `/dev/null`. */
  devicePath?: string;
  /** A file with the ids of unhealthy devices, one per line; without it all are healthy. */
  healthFile?: string;
  clock: Clock;
}

/**
 * Starts the sample plugin with simulated devices, a template for other plugins. Throws CodedError
 * if the count or the device node is invalid.
 */
export async function startSampleDevicePlugin(
  options: SamplePluginOptions,
): Promise<{ close(): Promise<void> }> {
  const { kubeletDir, count, healthFile, clock } = options;
  const resourceName = options.resourceName ?? SAMPLE_RESOURCE_NAME;
  const devicePath = options.devicePath ?? "/dev/null";
  if (!Number.isInteger(count) || count < 0 || count > COUNT_MAX) {
    throw new CodedError("BadCount", `count must be 0 to ${COUNT_MAX}: ${count}`);
  }
  await requireDevice(devicePath);
  const known = new Set(deviceIds(count));
  const devices = new DeviceSet(devicesOf(count, ""));
  const health =
    healthFile === undefined
      ? undefined
      : followFile(healthFile, clock, (text) => {
          devices.set(devicesOf(count, text));
        });
  const plugin = startDevicePlugin({
    kubeletDir,
    socketName: `${resourceName.replaceAll("/", "_")}.sock`,
    behaviour: {
      resourceName,
      devices,
      allocate: (ids) => allocationOf(ids, known, devicePath),
      prefer: preferLowest,
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
