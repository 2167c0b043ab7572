import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import type { KubeObject } from "./object.ts";

/** Returns the owner that manages an object, if it has one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** The reference that makes `owner` the controller of the object with it. */
export const controllerReference = (
  owner: KubeObject,
  type: { apiVersion: string; kind: string },
): OwnerReference => ({
  apiVersion: type.apiVersion,
  kind: type.kind,
  name: owner.metadata.name ?? "",
  uid: owner.metadata.uid ?? "",
  controller: true,
  blockOwnerDeletion: true,
});

/** A controller's relation to an object. */
export interface ClaimPlan<T> {
  /** The owner's objects that match. */
  owned: T[];
  /** Orphans that match: to be taken. */
  adopt: T[];
  /** The owner's objects that no longer match, to be released. */
  release: T[];
}

/**
 * Sorts a controller's objects and orphans by upstream's rules of controller references: an own one
 * that does not match is released, unless either is being deleted; an orphan that matches is
 * adopted, unless either is being deleted.
 */
export function planClaim<T extends KubeObject>(
  controller: KubeObject,
  objects: readonly T[],
  matches: (object: T) => boolean,
): ClaimPlan<T> {
  const plan: ClaimPlan<T> = { owned: [], adopt: [], release: [] };
  const leaving = Boolean(controller.metadata.deletionTimestamp);
  for (const object of objects) {
    const known = controllerOf(object);
    if (known) {
      if (known.uid !== controller.metadata.uid) continue;
      if (matches(object)) plan.owned.push(object);
      else if (!leaving && !object.metadata.deletionTimestamp) plan.release.push(object);
      continue;
    }
    if (leaving || object.metadata.deletionTimestamp || !matches(object)) continue;
    plan.adopt.push(object);
  }
  return plan;
}

/**
 * The strategic merge patch that adopts: the uid in it makes it fail if the object was replaced.
 */
export function adoptionPatch(
  reference: OwnerReference,
  uid: string | undefined,
  finalizer?: string,
): unknown {
  const finalizers = finalizer === undefined ? undefined : [finalizer];
  return { metadata: { ownerReferences: [reference], uid, finalizers } };
}

/** The strategic merge patch that removes an owner's reference. */
export function releasePatch(
  ownerUid: string | undefined,
  uid: string | undefined,
  finalizer?: string,
): unknown {
  const ownerReferences = [{ $patch: "delete", uid: ownerUid }];
  const without = finalizer && { "$deleteFromPrimitiveList/finalizers": [finalizer] };
  return { metadata: { ownerReferences, uid, ...without } };
}
