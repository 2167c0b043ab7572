import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { VolumeAttributesClass } from "@raft2kube/api/gen/storage/v1.ts";
import { csiSourceOf } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { isOwnBoundClaim } from "./resize-plan.ts";
import type { VolumeOwner } from "./volume-plan.ts";

/** Action for a claim that names a VolumeAttributesClass. */
export type ModifyPlan =
  | { act: "leave" }
  /** The class is missing, or another driver's. */
  | { act: "wait"; target: string; why: string }
  | {
      act: "modify";
      target: string;
      volumeHandle: string;
      mutableParameters: Record<string, string>;
    };

/**
 * Decides whether a claim's volume is to get other attributes: its class is not the one that the
 * volume was last given. A class that the driver refused is tried again only when it, or the claim,
 * has changed, which is the caller's to see. Pure.
 */
export function planModify(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume | undefined,
  classOf: (name: string) => VolumeAttributesClass | undefined,
  owner: VolumeOwner,
): ModifyPlan {
  if (!volume || !isOwnBoundClaim(claim, volume, owner)) return { act: "leave" };
  const target = claim.spec.volumeAttributesClassName ?? "";
  const { currentVolumeAttributesClassName: current = "", modifyVolumeStatus } = claim.status ?? {};
  if (target === "" || (target === current && !modifyVolumeStatus)) return { act: "leave" };
  const found = classOf(target);
  if (!found) return { act: "wait", target, why: `VolumeAttributesClass ${target} does not exist` };
  if (found.driverName !== owner.driverName) {
    const why = `VolumeAttributesClass ${target} is of ${found.driverName}`;
    return { act: "wait", target, why };
  }
  const mutableParameters = found.parameters ?? {};
  const volumeHandle = csiSourceOf(volume)?.volumeHandle ?? "";
  return { act: "modify", target, volumeHandle, mutableParameters };
}
