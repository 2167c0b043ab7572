import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { apiVersionOf } from "../group-version.ts";
import { FieldSet } from "./field-set.ts";
import { areTracked, type Owner, readOwners, writeOwners } from "./managed-fields.ts";
import type { Tracked } from "./tracked.ts";

/** How owners of a Scale are kept: of its one field, which is its parent's `spec.replicas`. */
export const SCALE_TRACKED: Tracked = {
  apiVersion: "autoscaling/v1",
  schema: "autoscaling/v1.Scale",
  ignored: [],
  elsewhere: () => undefined,
};

const REPLICAS = ["f:spec", "f:replicas"];

function replicas(): FieldSet {
  const fields = new FieldSet();
  fields.insert(REPLICAS);
  return fields;
}

function ownersOf(object: KubeObject): Owner[] {
  return areTracked(object.metadata.managedFields) ? readOwners(object) : [];
}

function owns(owner: Owner): boolean {
  return !owner.fields.intersection(replicas()).empty;
}

function same(a: Owner, b: Owner): boolean {
  return a.manager === b.manager && a.operation === b.operation && a.subresource === b.subresource;
}

/** Sets a Scale's managedFields: the managers that own the replicas through the parent. */
export function ownersToScale(parent: KubeObject, scale: KubeObject): void {
  const { apiVersion } = SCALE_TRACKED;
  writeOwners(
    scale,
    ownersOf(parent)
      .filter(owns)
      .map((owner) => ({ ...owner, apiVersion, fields: replicas() })),
  );
}

/** Takes the owners of a changed Scale over into its parent. */
export function ownersToParent(kind: Kind, parent: KubeObject, scale: KubeObject): void {
  const ofScale = ownersOf(scale).filter(owns);
  const before = ownersOf(parent);
  const kept = before.map((owner) => {
    const stays = !owns(owner) || ofScale.some((each) => same(each, owner));
    return stays ? owner : { ...owner, fields: owner.fields.difference(replicas()) };
  });
  const added = ofScale
    .filter((each) => !kept.some((owner) => same(owner, each) && owns(owner)))
    .map((each) => ({
      ...each,
      // Upstream takes the time from the parent, which has none for a new manager.
      time: before.find((owner) => same(owner, each))?.time,
      apiVersion: apiVersionOf(kind),
      fields: replicas(),
    }));
  writeOwners(parent, [...kept, ...added]);
}
