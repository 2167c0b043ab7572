import type { PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import { csiSourceOf } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { isReachable, type VolumeOwner } from "./volume-plan.ts";

/** A volume's condition, as its driver reports it. */
export type Condition = { abnormal: boolean; message: string };

/** An event about the claim of a volume. */
export interface HealthEvent {
  volume: PersistentVolume;
  type: "Normal" | "Warning";
  reason: "VolumeConditionAbnormal" | "VolumeConditionNormal";
  message: string;
}

/** The bound volumes of an owner, whose conditions are of interest, by their handles. Pure. */
export function monitoredVolumes(
  volumes: readonly PersistentVolume[],
  owner: VolumeOwner,
): Map<string, PersistentVolume> {
  const found = new Map<string, PersistentVolume>();
  for (const volume of volumes) {
    const { metadata, spec, status } = volume;
    const csi = csiSourceOf(volume);
    if (csi?.driver !== owner.driverName || !isReachable(volume, owner)) continue;
    if (metadata.deletionTimestamp || status?.phase !== "Bound" || !spec.claimRef) continue;
    found.set(csi.volumeHandle, volume);
  }
  return found;
}

/**
 * Returns the events for the conditions that a driver has reported: each time that a volume is
 * abnormal, and once when one of `abnormal` has recovered. Volumes without a condition are left as
 * they were. Updates `abnormal`, the UIDs of the volumes that are. The words are those of
 * upstream's external-health-monitor.
 */
export function planHealth(
  volumes: ReadonlyMap<string, PersistentVolume>,
  conditions: ReadonlyMap<string, Condition>,
  abnormal: Set<string>,
): HealthEvent[] {
  const uids = new Set([...volumes.values()].map(uidOf));
  for (const uid of abnormal) if (!uids.has(uid)) abnormal.delete(uid);
  return [...volumes].flatMap(([handle, volume]): HealthEvent[] => {
    const condition = conditions.get(handle);
    if (condition?.abnormal) {
      abnormal.add(uidOf(volume));
      const reason = "VolumeConditionAbnormal";
      return [{ volume, type: "Warning", reason, message: condition.message }];
    }
    if (!condition || !abnormal.delete(uidOf(volume))) return [];
    const message = "The Volume returns to the healthy state";
    return [{ volume, type: "Normal", reason: "VolumeConditionNormal", message }];
  });
}

const uidOf = ({ metadata: { uid = "" } }: PersistentVolume): string => uid;
