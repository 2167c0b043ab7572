import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { SchemaRef } from "@raft2kube/api/schema.ts";
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
  const owners = ownersBefore(tracked, object, old, writer.subresource);
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
  const changes = new Changes(tracked, before as KubeObject, next);
  const left = changes.withoutChanged(owners);
  const taken = withoutServersOwn(changes.own.changed);
  if (taken.empty) return left;
  const own = left.find((owner) => isOf(owner, tracked, writer));
  const fields = own ? own.fields.union(taken) : taken;
  return [...left.filter((owner) => owner !== own), ownerOf(tracked, writer, fields)];
}

/** The difference that a write made, as each version of its kind sees it. */
export class Changes {
  readonly own: Difference;
  readonly #tracked: Tracked;
  readonly #objects: readonly KubeObject[];
  /** Differences by version, compared once: a client may write thousands of owners. */
  readonly #elsewhere = new Map<string, Difference | undefined>();

  constructor(tracked: Tracked, before: KubeObject, next: KubeObject) {
    this.#tracked = tracked;
    this.#objects = [before, next];
    this.own = this.#compared(tracked.schema, before, next);
  }

  /** The difference that a version sees; undefined when there is no such version. */
  in(apiVersion: string): Difference | undefined {
    if (apiVersion === this.#tracked.apiVersion) return this.own;
    if (!this.#elsewhere.has(apiVersion)) {
      const other = this.#tracked.elsewhere(apiVersion);
      const [before, next] = this.#objects.map((each) => other?.convert(each));
      this.#elsewhere.set(apiVersion, other && this.#compared(other.schema, before!, next!));
    }
    return this.#elsewhere.get(apiVersion);
  }

  /**
   * Removes changed and deleted fields from their owners. An owner in a version that is no longer
   * served is dropped.
   */
  withoutChanged(owners: readonly Owner[]): Owner[] {
    if (this.own.changed.empty && this.own.removed.empty) return [...owners];
    return owners.flatMap((owner) => {
      const gone = this.in(owner.apiVersion);
      if (gone === undefined) return [];
      return [{ ...owner, fields: owner.fields.difference(gone.changed).difference(gone.removed) }];
    });
  }

  #compared(schema: SchemaRef, before: KubeObject, next: KubeObject): Difference {
    const difference = compare(rootPlace(schema), before, next);
    withoutIgnored(this.#tracked, difference.changed);
    withoutIgnored(this.#tracked, difference.removed);
    return difference;
  }
}

/**
 * The owners that a write starts from. A client may rewrite them (kubectl does to take over from
 * client-side apply), but not through a subresource; a list of nothing ends the tracking; one that
 * makes no sense is passed over (as upstream).
 */
function ownersBefore(
  tracked: Tracked,
  object: KubeObject,
  old: KubeObject | undefined,
  subresource: string,
): Owner[] {
  const given = subresource === "" ? object.metadata.managedFields : undefined;
  const known = old?.metadata.managedFields;
  if (given !== undefined && !isDeepStrictEqual(given, known)) {
    if (isReset(given)) return [];
    if (areSound(given)) return readOwners(tracked, object);
  }
  return old !== undefined && areTracked(known) ? readOwners(tracked, old) : [];
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
