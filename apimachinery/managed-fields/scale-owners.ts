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

const REPLICAS = ["spec", "replicas"];

function replicas(path: readonly string[] = REPLICAS): FieldSet {
  const fields = new FieldSet();
  fields.insert(path.map((name) => `f:${name}`));
  return fields;
}

function ownersOf(object: KubeObject): Owner[] {
  return areTracked(object.metadata.managedFields) ? readOwners(SCALE_TRACKED, object) : [];
}

function owns(owner: Owner, path?: readonly string[]): boolean {
  return !owner.fields.intersection(replicas(path)).empty;
}

function same(a: Owner, b: Owner): boolean {
  return a.manager === b.manager && a.operation === b.operation && a.subresource === b.subresource;
}

/** Sets a Scale's managedFields: the managers that own the parent's replicas, at `path`. */
export function ownersToScale(
  parent: KubeObject,
  scale: KubeObject,
  path?: readonly string[],
): void {
  const { apiVersion } = SCALE_TRACKED;
  writeOwners(
    scale,
    ownersOf(parent)
      .filter((owner) => owns(owner, path))
      .map((owner) => ({ ...owner, apiVersion, fields: replicas() })),
  );
}

/** Takes the owners of a changed Scale over into its parent. */
export function ownersToParent(
  kind: Kind,
  parent: KubeObject,
  scale: KubeObject,
  path?: readonly string[],
): void {
  const ofScale = ownersOf(scale).filter((owner) => owns(owner));
  const before = ownersOf(parent);
  const kept = before.map((owner) => {
    const stays = !owns(owner, path) || ofScale.some((each) => same(each, owner));
    return stays ? owner : { ...owner, fields: owner.fields.difference(replicas(path)) };
  });
  const added = ofScale
    .filter((each) => !kept.some((owner) => same(owner, each) && owns(owner, path)))
    .map((each) => ({
      ...each,
      // Upstream takes the time from the parent, which has none for a new manager.
      time: before.find((owner) => same(owner, each))?.time,
      apiVersion: apiVersionOf(kind),
      fields: replicas(path),
    }));
  writeOwners(parent, [...kept, ...added]);
}
