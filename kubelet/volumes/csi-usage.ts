import {
  NodeServiceCapability_RPC_Type as Capability,
  type NodeGetVolumeStatsResponse,
  VolumeUsage_Unit as Unit,
} from "@raft2kube/proto/gen/csi.ts";
import { ownText } from "@raft2kube/std/bytes.ts";
import type { CsiDrivers } from "../plugins/csi-drivers.ts";
import { CONDITION_CHARS_MAX, DRIVER_CALL_TIMEOUT_MS } from "../plugins/limits.ts";
import { devicePath, stagingPath, targetPath } from "./csi-paths.ts";
import { readVolumeData } from "./csi-volume-data.ts";
import type { VolumeUsage } from "./volume-usage.ts";

/** Returns the usage by NodeGetVolumeStats; undefined when the driver does not have that call. */
export async function csiVolumeUsage(
  { rootDir, drivers }: { rootDir: string; drivers: CsiDrivers },
  dir: string,
): Promise<VolumeUsage | undefined> {
  const data = await readVolumeData(dir);
  if (!data?.setUp) return undefined;
  const driver = drivers.require(data.driverName);
  if (!driver.capabilities.has(Capability.GET_VOLUME_STATS)) return undefined;
  const stages = driver.capabilities.has(Capability.STAGE_UNSTAGE_VOLUME);
  const staged = stages && data.volumeLifecycleMode === "Persistent";
  const request = {
    volumeId: data.volumeHandle,
    volumePath: data.block ? devicePath(dir) : targetPath(dir),
    stagingTargetPath: staged ? stagingPath(rootDir, driver.name, data.volumeHandle) : "",
  };
  const options = { timeout_ms: DRIVER_CALL_TIMEOUT_MS };
  const stats = await driver.node.nodeGetVolumeStats(request, options);
  const { abnormal = false, message = "" } = stats.volumeCondition ?? {};
  return {
    ...usageIn(stats),
    readOnly: data.readOnly,
    ...(stats.volumeCondition && { condition: abnormal ? "abnormal" : "normal" }),
    ...(abnormal && { abnormal: ownText(message.slice(0, CONDITION_CHARS_MAX)) }),
  };
}

function usageIn({ usage }: NodeGetVolumeStatsResponse): VolumeUsage {
  const bytes = usage.find(({ unit }) => unit === Unit.BYTES);
  const inodes = usage.find(({ unit }) => unit === Unit.INODES);
  return {
    capacity_bytes: amount(bytes?.total),
    available_bytes: amount(bytes?.available),
    used_bytes: amount(bytes?.used),
    inodes: amount(inodes?.total),
    inodesFree: amount(inodes?.available),
    inodesUsed: amount(inodes?.used),
  };
}

/**
 * Returns what a driver reports, unless it is negative: clients in Go, for whom these are unsigned,
 * could read nothing of the node's summary.
 */
const amount = (value: number | undefined): number | undefined =>
  value !== undefined && value >= 0 ? value : undefined;
