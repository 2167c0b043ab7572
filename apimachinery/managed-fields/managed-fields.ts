import type { ManagedFieldsEntry } from "@raft2kube/api/gen/meta/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { compareTexts } from "@raft2kube/std/text.ts";
import { timeText } from "../time.ts";
import { FieldSet } from "./field-set.ts";
import { rootPlace, wholeWhereAtomic } from "./place.ts";
import type { Tracked } from "./tracked.ts";

/** Fields that one manager owns, through one operation and endpoint. */
export interface Owner {
  manager: string;
  operation: "Apply" | "Update";
  subresource: string;
  apiVersion: string;
  time: string | undefined;
  fields: FieldSet;
  /** The entry that this owner was read from, while its fields are unchanged. */
  read?: { fields: FieldSet; json: ManagedFieldsEntry["fieldsV1"] };
}

/** Fields without an owner, since only the server writes them; fields below them may be owned. */
const SERVERS_OWN: readonly (readonly string[])[] = [
  ["f:apiVersion"],
  ["f:kind"],
  ["f:metadata"],
  ...[
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
  ].map((name) => ["f:metadata", `f:${name}`]),
];

/** Removes from a set, in place, the fields that its endpoint ignores. */
export function withoutIgnored(tracked: Tracked, fields: FieldSet): FieldSet {
  for (const path of tracked.ignored) fields.cut(path);
  return fields;
}

/** Removes fields without an owner from a set, in place. */
export function withoutServersOwn(fields: FieldSet): FieldSet {
  for (const path of SERVERS_OWN) fields.unset(path);
  return fields;
}

/** Whether entries that a client wrote can be owners' at all. */
export const areSound = (entries: readonly ManagedFieldsEntry[]): boolean =>
  entries.length > 0 &&
  entries.every((entry) => {
    const operation = entry.operation === "Apply" || entry.operation === "Update";
    const versioned = (entry.apiVersion ?? "") !== "" && entry.fieldsType === "FieldsV1";
    return operation && versioned && areElements(entry.fieldsV1 ?? {});
  });

/** Whether an object is tracked at all; what is stored was sound when it was written. */
export function areTracked(entries: readonly ManagedFieldsEntry[] | undefined): boolean {
  return entries !== undefined && entries.length > 0;
}

function areElements(json: unknown): boolean {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return false;
  return Object.entries(json).every(([element, below]) => {
    if (element === ".") return true;
    const known = element.startsWith("f:") || (/^[kv]:/.test(element) && isJson(element.slice(2)));
    return known && areElements(below);
  });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return false;
    throw thrown;
  }
}

/** The owners of an object, whose fields fit the schema as it is now. */
export function readOwners(tracked: Tracked, object: KubeObject): Owner[] {
  return (object.metadata.managedFields ?? []).map((entry) => {
    const fields = reconciled(tracked, entry);
    return {
      manager: entry.manager ?? "",
      operation: entry.operation === "Apply" ? "Apply" : "Update",
      subresource: entry.subresource ?? "",
      apiVersion: entry.apiVersion ?? "",
      time: entry.time,
      fields,
      read: { fields, json: entry.fieldsV1 },
    };
  });
}

/** Only schemas of custom resources change while objects are stored. */
function reconciled(
  { apiVersion, schema, elsewhere }: Tracked,
  entry: ManagedFieldsEntry,
): FieldSet {
  const fields = FieldSet.fromJson(entry.fieldsV1);
  if (typeof schema === "string") return fields;
  const own = entry.apiVersion === apiVersion ? schema : elsewhere(entry.apiVersion ?? "")?.schema;
  return own === undefined ? fields : wholeWhereAtomic(rootPlace(own), fields);
}

/** The entries of owners that own something, in upstream's order. */
export function writeOwners(object: KubeObject, owners: readonly Owner[]): void {
  const entries = owners
    .filter((owner) => !owner.fields.empty)
    .sort(byOrder)
    .map(entryOf);
  if (entries.length > 0) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}

const byOrder = (a: Owner, b: Owner): number =>
  compareTexts(a.operation, b.operation) ||
  compareTexts(a.time ?? "", b.time ?? "") ||
  compareTexts(a.manager, b.manager) ||
  compareTexts(a.apiVersion, b.apiVersion) ||
  compareTexts(a.subresource, b.subresource);

const entryOf = (owner: Owner): ManagedFieldsEntry => ({
  manager: owner.manager,
  operation: owner.operation,
  apiVersion: owner.apiVersion,
  ...(owner.time === undefined ? {} : { time: owner.time }),
  fieldsType: "FieldsV1",
  fieldsV1: owner.read?.fields === owner.fields ? owner.read.json! : owner.fields.toJson(),
  ...(owner.subresource === "" ? {} : { subresource: owner.subresource }),
});

/** The manager of a write, and its time. */
export interface Writer {
  manager: string;
  operation: Owner["operation"];
  subresource: string;
  now_ms: number;
}

/** The manager of writes that name none and come from an agent without a name. */
const UNKNOWN = "unknown";

/** Whether an entry is the writer's own. An applier keeps its entry across API versions. */
export const isOf = (owner: Owner, tracked: Tracked, writer: Writer): boolean =>
  owner.manager === (writer.manager || UNKNOWN) &&
  owner.operation === writer.operation &&
  owner.subresource === writer.subresource &&
  (owner.operation === "Apply" || owner.apiVersion === tracked.apiVersion);

/** The writer as owner of `fields`. */
export function ownerOf(tracked: Tracked, writer: Writer, fields: FieldSet): Owner {
  const time = timeText(writer.now_ms);
  const { operation, subresource } = writer;
  const { apiVersion } = tracked;
  return { manager: writer.manager || UNKNOWN, operation, subresource, apiVersion, time, fields };
}
