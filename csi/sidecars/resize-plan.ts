import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { csiSourceOf } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { compareQuantity, valueOf } from "@raft2kube/std/quantity.ts";
import { isReachable, type VolumeOwner } from "./volume-plan.ts";

/** Action of a resizer for a claim. */
export type ResizePlan =
  | { act: "leave" }
  /**
   * `size` is the quantity that is asked for, recorded before the driver is called; `repeats`: it
   * is recorded already, with the driver's answer.
   */
  | { act: "expand"; volumeHandle: string; size: string; required_bytes: number; repeats: boolean }
  /** The volume is large enough: only the claim does not show it. */
  | { act: "finish"; size: string };

/**
 * Decides whether a claim's volume is to grow: the claim is bound, to a volume of this driver, and
 * asks for more than it has. A size that the driver may have started to make is asked for again;
 * after one that it refused (ControllerResizeInfeasible, or `refused`), the claim may ask for
 * less; not after one that it gave, though the node has refused it. Pure.
 */
export function planResize(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume | undefined,
  owner: VolumeOwner,
  refused = false,
): ResizePlan {
  if (!volume || !isOwnBoundClaim(claim, volume, owner)) return { act: "leave" };
  const wanted = claim.spec.resources?.requests?.["storage"];
  const had = claim.status?.capacity?.["storage"];
  if (wanted === undefined || had === undefined) return { act: "leave" };
  const state = claim.status?.allocatedResourceStatuses?.["storage"];
  if (state === "NodeResizePending" || state === "NodeResizeInProgress") return { act: "leave" };
  const begun = claim.status?.allocatedResources?.["storage"];
  const hasGrown = state === "NodeResizeInfeasible" && isLess(wanted, begun);
  const continues = (state === "ControllerResizeInProgress" && !refused) || hasGrown;
  const size = continues && begun !== undefined ? begun : wanted;
  const recovered = state !== undefined && compareQuantity(size, had) <= 0;
  if (recovered) return { act: "finish", size: had };
  if (compareQuantity(size, had) <= 0) return { act: "leave" };
  const volumeHandle = csiSourceOf(volume)?.volumeHandle ?? "";
  const repeats = state !== undefined && begun !== undefined && compareQuantity(size, begun) === 0;
  return { act: "expand", volumeHandle, size, required_bytes: valueOf(size), repeats };
}

const isLess = (size: string, other: string | undefined): boolean =>
  other !== undefined && compareQuantity(size, other) < 0;

/** Whether a claim is bound to a volume of this owner. */
export function isOwnBoundClaim(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
  owner: VolumeOwner,
): boolean {
  if (claim.metadata.deletionTimestamp || claim.status?.phase !== "Bound") return false;
  if (csiSourceOf(volume)?.driver !== owner.driverName) return false;
  if (volume.spec.claimRef?.uid !== claim.metadata.uid) return false;
  return isReachable(volume, owner);
}

/** Statuses after which the same size cannot be had (CSI spec, ControllerExpandVolume). */
const INFEASIBLE: ReadonlySet<number | undefined> = new Set([
  Status.INVALID_ARGUMENT,
  Status.OUT_OF_RANGE,
  Status.NOT_FOUND,
]);

/** Whether a driver's error means that it will never give a volume the size. */
export function isInfeasibleSize(thrown: unknown): boolean {
  return INFEASIBLE.has((thrown as { status?: number }).status);
}
