import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { claimNameOf } from "@raft2kube/client-kube/object/volumes.ts";
import { Gauge, type Registry } from "@raft2kube/observe/metrics.ts";
import { namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { VolumeUsage } from "../volumes/volume-usage.ts";
import type { PodStorage } from "./stats-storage.ts";

/** Upstream's names and words, with the field of each. */
const GAUGES: readonly [string, string, (usage: VolumeUsage) => number | undefined][] = [
  ["capacity_bytes", "Capacity in bytes of the volume", (usage) => usage.capacity_bytes],
  ["available_bytes", "Number of available bytes in the volume", (usage) => usage.available_bytes],
  ["used_bytes", "Number of used bytes in the volume", (usage) => usage.used_bytes],
  ["inodes", "Maximum number of inodes in the volume", (usage) => usage.inodes],
  ["inodes_free", "Number of free inodes in the volume", (usage) => usage.inodesFree],
  ["inodes_used", "Number of used inodes in the volume", (usage) => usage.inodesUsed],
  ["health_status_abnormal", "1 if the volume is unhealthy, 0 if it is healthy", ({ condition }) =>
    condition && (condition === "abnormal" ? 1 : 0)],
];

/** Whether a pod has a volume that the metrics are about: one of a claim. */
export function hasClaims(pod: Pod): boolean {
  return (pod.spec.volumes ?? []).some((volume) => claimNameOf(pod, volume) !== undefined);
}

/** Adds the usage of claims' volumes; a field that the driver does not report has no sample. */
export function addVolumeMetrics(
  registry: Registry,
  pods: readonly Pod[],
  storages: ReadonlyMap<string, PodStorage>,
): void {
  for (const [name, help, valueOf] of GAUGES) {
    const labelNames = ["namespace", "persistentvolumeclaim"];
    const registers = [registry];
    const gauge = new Gauge({ name: `kubelet_volume_stats_${name}`, help, labelNames, registers });
    for (const pod of pods) {
      for (const volume of pod.spec.volumes ?? []) {
        const persistentvolumeclaim = claimNameOf(pod, volume);
        const usage = storages.get(uidOf(pod))?.volumes.get(volume.name);
        const value = usage && valueOf(usage);
        if (persistentvolumeclaim === undefined || value === undefined) continue;
        gauge.set({ namespace: namespaceOf(pod), persistentvolumeclaim }, value);
      }
    }
  }
}
