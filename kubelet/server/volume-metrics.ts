import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { Gauge, type Registry } from "@raft2kube/observe/metrics.ts";
import { namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { VolumeUsage } from "../volumes/volume-usage.ts";
import { claimsOf, type VolumeUsages } from "./stats-storage.ts";

const HEALTH_HELP =
  "Abnormal volume health status. The count is either 1 or 0. " +
  "1 indicates the volume is unhealthy, 0 indicates volume is healthy";

/** Upstream's names and help texts, with the field of each. */
const GAUGES: readonly [string, string, (usage: VolumeUsage) => number | undefined][] = [
  ["capacity_bytes", "Capacity in bytes of the volume", (usage) => usage.capacity_bytes],
  ["available_bytes", "Number of available bytes in the volume", (usage) => usage.available_bytes],
  ["used_bytes", "Number of used bytes in the volume", (usage) => usage.used_bytes],
  ["inodes", "Maximum number of inodes in the volume", (usage) => usage.inodes],
  ["inodes_free", "Number of free inodes in the volume", (usage) => usage.inodesFree],
  ["inodes_used", "Number of used inodes in the volume", (usage) => usage.inodesUsed],
  [
    "health_status_abnormal",
    HEALTH_HELP,
    ({ condition }) => condition && (condition === "abnormal" ? 1 : 0),
  ],
];

/**
 * Adds the usage of claims' volumes, each as the first pod that mounts it reports it; a field that
 * the driver does not report has no sample.
 */
export function addVolumeMetrics(
  registry: Registry,
  pods: readonly Pod[],
  usages: ReadonlyMap<string, VolumeUsages>,
): void {
  const claims = usagesOfClaims(pods, usages);
  for (const [name, help, valueOf] of GAUGES) {
    const labelNames = ["namespace", "persistentvolumeclaim"];
    const registers = [registry];
    const gauge = new Gauge({ name: `kubelet_volume_stats_${name}`, help, labelNames, registers });
    for (const { labels, usage } of claims) {
      const value = valueOf(usage);
      if (value !== undefined) gauge.set(labels, value);
    }
  }
}

interface ClaimUsage {
  labels: { namespace: string; persistentvolumeclaim: string };
  usage: VolumeUsage;
}

function usagesOfClaims(
  pods: readonly Pod[],
  usages: ReadonlyMap<string, VolumeUsages>,
): ClaimUsage[] {
  const found = new Map<string, ClaimUsage>();
  for (const pod of pods) {
    const namespace = namespaceOf(pod);
    for (const [volume, persistentvolumeclaim] of claimsOf(pod)) {
      const key = `${namespace}/${persistentvolumeclaim}`;
      const usage = usages.get(uidOf(pod))?.get(volume);
      if (!usage || found.has(key)) continue;
      found.set(key, { labels: { namespace, persistentvolumeclaim }, usage });
    }
  }
  return [...found.values()];
}
