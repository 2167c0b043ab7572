import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { UPDATE_OWNERS_MAX } from "../limits.ts";
import { FieldSet } from "./field-set.ts";
import {
  areSound,
  areTracked,
  isOf,
  type Owner,
  ownerOf,
  readOwners,
  type Writer,
  withoutIgnored,
  withoutServersOwn,
  writeOwners,
} from "./managed-fields.ts";
import { compare, type Difference } from "./ownership.ts";
import { rootPlace } from "./place.ts";
import { nothingOf, type Tracked } from "./tracked.ts";

/**
 * Updates the managedFields for a creation (`old` undefined) or an update: the writer owns the
 * fields that it changed, other managers lose them. An update of an untracked object
 * leaves it untracked.
 */
export function trackUpdate(
  tracked: Tracked,
  object: KubeObject,
  old: KubeObject | undefined,
  writer: Writer,
): void {
  const owners = ownersBefore(object, old, writer.subresource);
  delete object.metadata.managedFields;
  if (owners.length === 0 && old !== undefined) return;
  const before = old === undefined ? nothingOf(tracked.schema) : untracked(old);
  writeOwners(object, capped(withWriter(tracked, owners, before, object, writer)));
}

/** The owners after a writer made `next` of `before`. */
export function withWriter(
  tracked: Tracked,
  owners: readonly Owner[],
  before: object,
  next: KubeObject,
  writer: Writer,
): Owner[] {
  const difference = compare(rootPlace(tracked.schema), before, next);
  withoutIgnored(tracked, difference.changed);
  withoutIgnored(tracked, difference.removed);
  const left = withoutDifference(tracked, owners, difference, before as KubeObject, next);
  const taken = withoutServersOwn(difference.changed);
  if (taken.empty) return left;
  const own = left.find((owner) => isOf(owner, tracked, writer));
  const fields = own ? own.fields.union(taken) : taken;
  return [...left.filter((owner) => owner !== own), ownerOf(tracked, writer, fields)];
}

/**
 * Removes changed and deleted fields from their owners. An owner in a version that is no longer
 * served is dropped.
 */
export function withoutDifference(
  tracked: Tracked,
  owners: readonly Owner[],
  difference: Difference,
  before: KubeObject,
  next: KubeObject,
): Owner[] {
  if (difference.changed.empty && difference.removed.empty) return [...owners];
  const lost = new Map<string, FieldSet | undefined>([
    [tracked.apiVersion, difference.changed.union(difference.removed)],
  ]);
  return owners.flatMap((owner) => {
    const { apiVersion } = owner;
    // Once for each version: a client may write thousands of owners, each compares the object.
    if (!lost.has(apiVersion)) {
      lost.set(apiVersion, lostElsewhere(tracked, apiVersion, before, next));
    }
    const gone = lost.get(apiVersion);
    return gone ? [{ ...owner, fields: owner.fields.difference(gone) }] : [];
  });
}

/** The same difference as another version sees it; undefined when there is no such version. */
function lostElsewhere(
  tracked: Tracked,
  apiVersion: string,
  before: KubeObject,
  next: KubeObject,
): FieldSet | undefined {
  const other = tracked.elsewhere(apiVersion);
  if (other === undefined) return undefined;
  const place = rootPlace(other.schema);
  const { changed, removed } = compare(place, other.convert(before), other.convert(next));
  return withoutIgnored(tracked, changed.union(removed));
}

/**
 * The owners that a write starts from. A client may rewrite them (kubectl does to take over from
 * client-side apply), but not through a subresource; a list of nothing ends the tracking; one that
 * makes no sense is passed over (as upstream).
 */
function ownersBefore(
  object: KubeObject,
  old: KubeObject | undefined,
  subresource: string,
): Owner[] {
  const given = subresource === "" ? object.metadata.managedFields : undefined;
  const known = old?.metadata.managedFields;
  if (given !== undefined && !isDeepStrictEqual(given, known)) {
    if (isReset(given)) return [];
    if (areSound(given)) return readOwners(object);
  }
  return old !== undefined && areTracked(known) ? readOwners(old) : [];
}

function isReset(given: readonly object[]): boolean {
  return given.length === 0 || (given.length === 1 && Object.keys(given[0]!).length === 0);
}

/** Returns the object without its managedFields, for comparison. */
export function untracked(object: KubeObject): KubeObject {
  const { managedFields: _owners, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** The name under which the oldest owners are merged when there are too many. */
const ANCIENT = "ancient-changes";

/** Joins the oldest updaters of each version until there are no more than upstream keeps. */
function capped(owners: readonly Owner[]): readonly Owner[] {
  const updaters = owners.filter((owner) => owner.operation === "Update");
  let surplus = updaters.length - UPDATE_OWNERS_MAX;
  if (surplus <= 0) return owners;
  const left = new Set(owners);
  const oldest = new Map<string, Owner[]>();
  for (const owner of updaters.sort((a, b) => ((a.time ?? "") < (b.time ?? "") ? -1 : 1))) {
    if (surplus <= 0) break;
    const same = oldest.get(owner.apiVersion);
    if (same === undefined) {
      oldest.set(owner.apiVersion, [owner]);
      continue;
    }
    same.push(owner);
    surplus--;
  }
  for (const same of oldest.values()) {
    if (same.length === 1) continue;
    for (const owner of same) left.delete(owner);
    const fields = FieldSet.unionOf(same.map((owner) => owner.fields));
    left.add({ ...same.at(-1)!, manager: ANCIENT, subresource: "", fields });
  }
  return [...left];
}
