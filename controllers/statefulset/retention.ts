import { isDeepStrictEqual } from "node:util";
import type { StatefulSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import type { OwnerType } from "../pod-control.ts";
import { isWanted, STATEFUL_SET_TYPE } from "./identity.ts";

const POD_TYPE: OwnerType = { apiVersion: "v1", kind: "Pod" };

/** The change of a claim's owners. */
export interface RetentionPlan {
  /** The new owners; undefined: they stay as they are. */
  owners: OwnerReference[] | undefined;
  /** Another controller owns it: no owner is added. */
  conflict: boolean;
}

/**
 * Plans the owners of a pod's claim by persistentVolumeClaimRetentionPolicy. The garbage collector
 * deletes the claim with them: with the set by whenDeleted, with a pod that was scaled away by
 * whenScaled. A reference to an earlier set or pod of the same name is left to it.
 */
export function planRetention(
  set: StatefulSet,
  pod: Pod,
  ordinal: number,
  claim: PersistentVolumeClaim,
): RetentionPlan {
  const before = claim.metadata.ownerReferences ?? [];
  const self: [KubeObject, OwnerType][] = [
    [set, STATEFUL_SET_TYPE],
    [pod, POD_TYPE],
  ];
  const isOurs = (owner: OwnerReference) => self.some((each) => isAbout(owner, ...each));
  const stale = self.some((each) => hasStaleOwner(claim, ...each));
  const wanted = wantedOwners(set, pod, isWanted(set, ordinal));
  const retained = retentionOf(set).every((policy) => policy === "Retain");
  const foreign = before.some((owner) => owner.controller === true && !isOurs(owner));
  const conflict = !retained && (stale || foreign);
  if (stale) return { owners: undefined, conflict };
  const ours = conflict ? [] : wanted;
  const current = before.filter(isOurs);
  const same = isDeepStrictEqual(current.map(controls), ours.map(controls));
  if (same) return { owners: undefined, conflict };
  return { owners: [...before.filter((owner) => !isOurs(owner)), ...ours], conflict };
}

/** Whether a claim is to go with a pod of the same name that is gone: it cannot be used again. */
export function isClaimStale(set: StatefulSet, pod: Pod, claim: PersistentVolumeClaim): boolean {
  const [, whenScaled] = retentionOf(set);
  return whenScaled === "Delete" && hasStaleOwner(claim, pod, POD_TYPE);
}

function retentionOf({ spec }: StatefulSet): [whenDeleted: string, whenScaled: string] {
  const { whenDeleted, whenScaled } = spec.persistentVolumeClaimRetentionPolicy ?? {};
  return [whenDeleted ?? "Retain", whenScaled ?? "Retain"];
}

function wantedOwners(set: StatefulSet, pod: Pod, wanted: boolean): OwnerReference[] {
  const [whenDeleted, whenScaled] = retentionOf(set);
  if (whenScaled === "Delete" && !wanted) return [controllerReference(pod, POD_TYPE)];
  return whenDeleted === "Delete" ? [controllerReference(set, STATEFUL_SET_TYPE)] : [];
}

function controls({ uid, controller }: OwnerReference): [string, boolean] {
  return [uid, controller === true];
}

const isAbout = (owner: OwnerReference, object: KubeObject, type: OwnerType): boolean =>
  owner.kind === type.kind &&
  owner.apiVersion === type.apiVersion &&
  owner.name === object.metadata.name;

function hasStaleOwner(claim: PersistentVolumeClaim, object: KubeObject, type: OwnerType): boolean {
  return (
    claim.metadata.ownerReferences?.some(
      (owner) => isAbout(owner, object, type) && owner.uid !== object.metadata.uid,
    ) === true
  );
}
