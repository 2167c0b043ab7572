import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { FieldSet } from "./field-set.ts";
import {
  areSound,
  isOf,
  ownable,
  readOwners,
  withFields,
  writeOwners,
  type Writer,
} from "./managed-fields.ts";
import { compare } from "./ownership.ts";
import { rootPlace } from "./place.ts";

/**
 * Notes who changed what in an update: the writer owns what it changed, others lose it. Objects
 * that were never applied by the server are not tracked. A client may rewrite the owners (kubectl
 * does to take over from client-side apply); a list of nothing ends the tracking; one that makes
 * no sense is passed over (as upstream).
 */
export function trackUpdate(kind: Kind, object: KubeObject, old: KubeObject, writer: Writer): void {
  const given = object.metadata.managedFields;
  const tracked = (old.metadata.managedFields ?? []).length > 0;
  const ends = given !== undefined && given.every((entry) => Object.keys(entry).length === 0);
  if (!tracked || ends) {
    delete object.metadata.managedFields;
    return;
  }
  const owners = readOwners(areSound(given ?? []) ? object : old);
  const difference = compare(rootPlace(kind.schema), old, object);
  const changed = ownable(kind, writer.subresource, difference.changed);
  const gone = difference.removed;
  const left = owners.map((owner) =>
    isOf(owner, kind, writer)
      ? { ...owner, fields: owner.fields.minus(gone) }
      : { ...owner, fields: owner.fields.minus(changed).minus(gone) },
  );
  const own = left.find((owner) => isOf(owner, kind, writer))?.fields ?? new FieldSet();
  writeOwners(object, withFields(left, kind, writer, own.union(changed)));
}
