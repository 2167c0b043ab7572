import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { ApiError, type StatusCause } from "../../errors/api-error.ts";
import { badRequest } from "../../errors/catalog.ts";
import type { JsonObject } from "../merge.ts";
import { FieldSet, pathText } from "./field-set.ts";
import {
  isOf,
  type Owner,
  ownable,
  readOwners,
  withFields,
  writeOwners,
  type Writer,
} from "./managed-fields.ts";
import { mergeApplied, prune } from "./merge-applied.ts";
import { compare, fieldsSetBy } from "./ownership.ts";
import { rootPlace } from "./place.ts";

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
 * The object after an apply: what is wanted laid over what is there, without what the manager owned
 * and no longer wants. Throws 409 naming each field that another manager owns with another value.
 */
export function applyTo(
  kind: Kind,
  current: KubeObject | undefined,
  application: Application,
): JsonObject {
  const { writer, wanted, force } = application;
  const place = rootPlace(kind.schema);
  if (wanted["metadata"] && "managedFields" in (wanted["metadata"] as object)) {
    throw badRequest("metadata.managedFields must be nil");
  }
  const live = (current ?? {}) as JsonObject;
  const fields = ownable(kind, writer.subresource, fieldsSetBy(place, wanted));
  const owners = current ? ownersOf(kind, current) : [];
  const own = owners.find((owner) => isOf(owner, kind, writer));
  const others = owners.filter((owner) => owner !== own);
  const merged = mergeApplied(place, live, wanted) as JsonObject;
  const { changed } = compare(place, live, merged);
  const conflicts = current ? conflictsOf(others, changed, fields) : [];
  if (conflicts.length > 0 && !force) throw conflictError(conflicts);
  const left = others.map((owner) => {
    const lost = conflicts.find((conflict) => conflict.owner === owner);
    return lost ? { ...owner, fields: owner.fields.minus(lost.fields) } : owner;
  });
  const shared = left.reduce((sum, owner) => sum.union(owner.fields), fields);
  const unwanted = (own?.fields ?? new FieldSet()).minus(fields);
  const pruned = prune(place, merged, unwanted, shared) as JsonObject & KubeObject;
  pruned.metadata = { ...pruned.metadata };
  writeOwners(pruned, withFields(own ? [own, ...left] : left, kind, writer, fields));
  return pruned;
}

/** An object that was never tracked belongs whole to whoever was there before. */
function ownersOf(kind: Kind, current: KubeObject): Owner[] {
  const owners = readOwners(current);
  if (owners.length > 0) return owners;
  const fields = fieldsSetBy(rootPlace(kind.schema), current);
  const owner = {
    manager: BEFORE_FIRST,
    operation: "Update",
    apiVersion: current.apiVersion ?? "",
    time: current.metadata.creationTimestamp,
  } as const;
  return [
    { ...owner, subresource: "", fields: ownable(kind, "", fields) },
    ...(kind.subresources["status"]
      ? [{ ...owner, subresource: "status", fields: ownable(kind, "status", fields) }]
      : []),
  ];
}

interface Conflict {
  owner: Owner;
  fields: FieldSet;
}

function conflictsOf(others: readonly Owner[], changed: FieldSet, wanted: FieldSet): Conflict[] {
  return others
    .map((owner) => ({ owner, fields: owner.fields.both(changed).both(wanted) }))
    .filter(({ fields }) => !fields.empty);
}

function conflictError(conflicts: readonly Conflict[]): ApiError {
  const causes: StatusCause[] = conflicts.flatMap(({ owner, fields }) => {
    const through =
      owner.subresource === "" ? "" : ` with subresource ${JSON.stringify(owner.subresource)}`;
    const who = `${JSON.stringify(owner.manager)}${through}`;
    const message = `conflict with ${who} using ${owner.apiVersion}`;
    return [...fields.paths()].map((path) => ({
      reason: "FieldManagerConflict",
      message,
      field: pathText(path),
    }));
  });
  const count = causes.length === 1 ? "1 conflict" : `${causes.length} conflicts`;
  const [first] = causes;
  const list =
    causes.length === 1
      ? `${first!.message}: ${first!.field}`
      : [...new Set(causes.map(({ message }) => message))]
          .map((message) => {
            const fields = causes
              .filter((cause) => cause.message === message)
              .map(({ field }) => `- ${field}`);
            return `${message}:\n${fields.join("\n")}`;
          })
          .join("\n");
  return new ApiError({
    code: 409,
    reason: "Conflict",
    message: `Apply failed with ${count}: ${list}`,
    details: { causes },
  });
}
