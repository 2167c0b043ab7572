import { watch } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { CodedError, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { startDevicePlugin } from "../../lib/device-plugin.ts";
import { DeviceSet } from "../../lib/device-set.ts";
import { RECHECK_MS } from "../../lib/limits.ts";
import { allocationOf, deviceIds, devicesOf, preferLowest } from "./devices.ts";

export const SAMPLE_RESOURCE_NAME = "r2k.dev/sample";

/** Maximum number of simulated devices. */
const COUNT_MAX = 1_000;

const log = logger("device-sample");

export interface SamplePluginOptions {
  /** The kubelet's root directory. */
  kubeletDir: string;
  resourceName?: string;
  /** Number of simulated devices. */
  count: number;
  /** The device node behind each of them. Default `/dev/null`. */
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
  const health = healthFile === undefined ? undefined : followFile(healthFile, clock, (text) => {
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

async function requireDevice(devicePath: string): Promise<void> {
  const found = await stat(devicePath);
  if (found.isCharacterDevice() || found.isBlockDevice()) return;
  throw new CodedError("NotADevice", `${devicePath} is not a device node`);
}

/**
 * Calls `changed` with a file's text at the start and after each change; a missing file is empty.
 */
function followFile(
  file: string,
  clock: Clock,
  changed: (text: string) => void,
): { close(): void } {
  let timer: Timer | undefined;
  let last: string | undefined;
  let closed = false;
  const look = async () => {
    try {
      const text = await readText(file);
      if (!closed && text !== last) changed((last = text));
    } catch (thrown) {
      log.warn("the health file cannot be read", { file, error: messageOf(thrown) });
    }
  };
  const again = () => {
    timer = clock.after(RECHECK_MS, () => void look().then(() => closed || again()));
  };
  const files = watch(path.dirname(file), () => void look());
  files.on("error", (error) => log.warn("no file events for the health file", { error }));
  void look();
  again();
  return {
    close() {
      closed = true;
      files.close();
      timer?.cancel();
    },
  };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return "";
    throw thrown;
  }
}
