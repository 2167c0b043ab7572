import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { badRequest } from "../errors/catalog.ts";
import type { JsonObject } from "../json/json.ts";
import { timeText } from "../time.ts";
import { type Conflict, conflictError } from "./conflicts.ts";
import { FieldSet } from "./field-set.ts";
import { clientSideFields, renewLastApplied } from "./last-applied.ts";
import {
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
import { mergeApplied, prune } from "./merge-applied.ts";
import { fieldsSetBy } from "./ownership.ts";
import { rootPlace } from "./place.ts";
import { Changes, untracked, withWriter } from "./track.ts";
import { nothingOf, type Tracked } from "./tracked.ts";

/** One server-side apply: what its manager wants, and whether it takes fields from others. */
export interface Application {
  writer: Writer;
  /** The body as it was sent, nothing filled in: only what stands here is owned. */
  wanted: JsonObject;
  force: boolean;
}

/** The manager of fields that were there before the first apply. */
const BEFORE_FIRST = "before-first-apply";

/**
 * The object after an apply: the applied fields merged into the live object, without those that the
 * manager owned and no longer applies. Throws 409 naming each field that another manager owns with
 * another value.
 */
export function applyTo(
  tracked: Tracked,
  current: KubeObject | undefined,
  application: Application,
): JsonObject {
  const { writer, wanted } = application;
  if (wanted["metadata"] && "managedFields" in (wanted["metadata"] as object)) {
    throw badRequest("metadata.managedFields must be nil");
  }
  const live = current ? untracked(current) : undefined;
  const owners = current && live ? ownersOf(tracked, current, live, writer) : [];
  const place = rootPlace(tracked.schema);
  const fields = withoutIgnored(tracked, fieldsSetBy(place, wanted));
  const own = owners.find((owner) => isOf(owner, tracked, writer));
  const others = owners.filter((owner) => owner !== own);
  const next = pruned(tracked, live, application, own, [...others.map((o) => o.fields), fields]);
  const left = live ? othersAfter(tracked, others, live, next, application) : [];
  const result = renewLastApplied(next, application) as JsonObject & KubeObject;
  // An apply that changes nothing keeps its time, and one that never changed anything has none.
  const time =
    live && isDeepStrictEqual(live, next) ? own?.time : timeText(application.writer.now_ms);
  const entry = { ...ownerOf(tracked, writer, withoutServersOwn(fields)), time };
  result.metadata = { ...result.metadata };
  writeOwners(result, [...left, entry]);
  return result;
}

function pruned(
  tracked: Tracked,
  live: KubeObject | undefined,
  { wanted }: Application,
  own: Owner | undefined,
  claims: readonly FieldSet[],
): KubeObject {
  const place = rootPlace(tracked.schema);
  const merged = mergeApplied(place, live ?? {}, wanted) as JsonObject;
  if (own === undefined) return merged as JsonObject & KubeObject;
  const kept = FieldSet.unionOf(claims);
  const givenUp = own.fields.difference(claims.at(-1)!);
  return prune(place, merged, givenUp, kept) as JsonObject & KubeObject;
}

/** The other owners once the apply has happened. Throws 409 when it may not take from them. */
function othersAfter(
  tracked: Tracked,
  others: readonly Owner[],
  live: KubeObject,
  next: KubeObject,
  application: Application,
): Owner[] {
  const changes = new Changes(tracked, live, next);
  if (!application.force) {
    const allowed = clientSideFields(tracked, live, application.writer);
    const all = conflictsOf(others, changes);
    const conflicts = allowed ? all.map((each) => without(each, allowed)).filter(isReal) : all;
    if (conflicts.length > 0) throw conflictError(conflicts);
  }
  return changes.withoutChanged(others);
}

function without({ owner, fields }: Conflict, allowed: FieldSet): Conflict {
  return { owner, fields: fields.difference(allowed) };
}

const isReal = ({ fields }: Conflict): boolean => !fields.empty;

function conflictsOf(others: readonly Owner[], changes: Changes): Conflict[] {
  return others.flatMap((owner) => {
    const changed = changes.in(owner.apiVersion)?.changed;
    const fields = changed && owner.fields.intersection(changed);
    return fields === undefined || fields.empty ? [] : [{ owner, fields }];
  });
}

/** An object without managed fields is owned entirely by the manager `before-first-apply`. */
function ownersOf(
  tracked: Tracked,
  current: KubeObject,
  live: KubeObject,
  writer: Writer,
): Owner[] {
  if (areTracked(current.metadata.managedFields)) return readOwners(tracked, current);
  const before: Writer = { ...writer, manager: BEFORE_FIRST, operation: "Update" };
  return withWriter(tracked, [], nothingOf(tracked.schema), live, before);
}
