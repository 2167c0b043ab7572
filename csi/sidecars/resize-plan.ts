import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { compareQuantity, valueOf } from "@raft2kube/std/quantity.ts";
import { isReachable, type VolumeOwner } from "./volume-plan.ts";

/** Action of a resizer for a claim. */
export type ResizePlan =
  | { act: "leave" }
  | { act: "expand"; volumeHandle: string; required_bytes: number };

/**
 * Decides whether a claim's volume is to grow: the claim is bound, to a volume of this driver, and
 * asks for more than it has. Pure.
 */
export function planResize(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume | undefined,
  owner: VolumeOwner,
): ResizePlan {
  if (claim.metadata.deletionTimestamp || claim.status?.phase !== "Bound") return { act: "leave" };
  if (volume?.spec.csi?.driver !== owner.driverName) return { act: "leave" };
  if (!isReachable(volume, owner.segments)) return { act: "leave" };
  if (volume.spec.claimRef?.uid !== claim.metadata.uid) return { act: "leave" };
  const wanted = claim.spec.resources?.requests?.["storage"];
  const had = claim.status.capacity?.["storage"];
  if (wanted === undefined || had === undefined) return { act: "leave" };
  if (compareQuantity(wanted, had) <= 0) return { act: "leave" };
  return {
    act: "expand",
    volumeHandle: volume.spec.csi.volumeHandle,
    required_bytes: valueOf(wanted),
  };
}
