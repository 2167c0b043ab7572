import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { VolumeAttributesClass } from "@raft2kube/api/gen/storage/v1.ts";
import { csiSourceOf } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { isOwnBoundClaim } from "./resize-plan.ts";
import type { VolumeOwner } from "./volume-plan.ts";

/** The condition of a claim from the first attempt until its volume has the attributes. */
export const MODIFYING = "ModifyingVolume";

/** Action for a claim that names a VolumeAttributesClass. */
export type ModifyPlan =
  | { act: "leave" }
  /** The claim no longer names a class, and no call of the driver is pending. */
  | { act: "cancel" }
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
 * volume was last given. Attributes that the driver may have started to give are asked for until it
 * has decided (`refused`: it has), though the claim names another class meanwhile. Pure.
 */
export function planModify(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume | undefined,
  classOf: (name: string) => VolumeAttributesClass | undefined,
  { owner, refused }: { owner: VolumeOwner; refused: boolean },
): ModifyPlan {
  if (!volume || !isOwnBoundClaim(claim, volume, owner)) return { act: "leave" };
  const wanted = claim.spec.volumeAttributesClassName ?? "";
  const {
    currentVolumeAttributesClassName: current = "",
    modifyVolumeStatus: begun,
    conditions = [],
  } = claim.status ?? {};
  const inProgress = begun?.status === "InProgress";
  const continues = inProgress && (!refused || wanted === "");
  const target = (continues ? begun.targetVolumeAttributesClassName : undefined) ?? wanted;
  if (target === "") {
    const modifying = begun !== undefined && conditions.some(({ type }) => type === MODIFYING);
    return { act: modifying ? "cancel" : "leave" };
  }
  if (target === current && !begun) return { act: "leave" };
  const found = classOf(target);
  if (!found && continues) return { act: "leave" };
  if (!found) return { act: "wait", target, why: `VolumeAttributesClass ${target} does not exist` };
  if (found.driverName !== owner.driverName) {
    const why = `VolumeAttributesClass ${target} is of ${found.driverName}`;
    return { act: "wait", target, why };
  }
  const mutableParameters = found.parameters ?? {};
  const volumeHandle = csiSourceOf(volume)?.volumeHandle ?? "";
  return { act: "modify", target, volumeHandle, mutableParameters };
}
