import type { ManagedFieldsEntry } from "@raft2kube/api/gen/meta/v1.ts";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { apiVersionOf } from "../../registry/group-version.ts";
import { timeText } from "../../registry/metadata.ts";
import { FieldSet } from "./field-set.ts";

/** Fields that one manager owns, through one operation and door. */
export interface Owner {
  manager: string;
  operation: "Apply" | "Update";
  subresource: string;
  apiVersion: string;
  time: string | undefined;
  fields: FieldSet;
}

/** Fields that nobody owns, since the server alone writes them. */
const SERVERS_OWN: readonly (readonly string[])[] = [
  ["f:apiVersion"],
  ["f:kind"],
  ...[
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
  ].map((name) => ["f:metadata", `f:${name}`]),
];

/**
 * What a door lets be owned: the main one no status, the status door nothing but it and metadata.
 */
export function ownable(kind: Kind, subresource: string, fields: FieldSet): FieldSet {
  let left = fields;
  for (const path of SERVERS_OWN) left = left.without(path);
  if (kind.subresources["status"] === undefined) return left;
  if (subresource !== "status") return left.without(["f:status"]);
  for (const element of left.children.keys()) {
    if (element !== "f:status") left = left.without([element]);
  }
  return left;
}

/** Whether entries that a client wrote can be owners' at all. */
export function areSound(entries: readonly ManagedFieldsEntry[]): boolean {
  return (
    entries.length > 0 &&
    entries.every((entry) => {
      const operation = entry.operation === "Apply" || entry.operation === "Update";
      return operation && entry.fieldsType === "FieldsV1" && areElements(entry.fieldsV1);
    })
  );
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

export function readOwners(object: KubeObject): Owner[] {
  return (object.metadata.managedFields ?? []).map((entry) => ({
    manager: entry.manager ?? "",
    operation: entry.operation === "Apply" ? "Apply" : "Update",
    subresource: entry.subresource ?? "",
    apiVersion: entry.apiVersion ?? "",
    time: entry.time,
    fields: FieldSet.fromJson(entry.fieldsV1),
  }));
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

function byOrder(a: Owner, b: Owner): number {
  if (a.operation !== b.operation) return a.operation === "Apply" ? -1 : 1;
  const [left, right] = [a.time ?? "", b.time ?? ""];
  if (left !== right) return left < right ? -1 : 1;
  return a.manager < b.manager ? -1 : 1;
}

function entryOf(owner: Owner): ManagedFieldsEntry {
  return {
    manager: owner.manager,
    operation: owner.operation,
    apiVersion: owner.apiVersion,
    ...(owner.time === undefined ? {} : { time: owner.time }),
    fieldsType: "FieldsV1",
    fieldsV1: owner.fields.toJson(),
    ...(owner.subresource === "" ? {} : { subresource: owner.subresource }),
  };
}

/** Who writes, and when. */
export interface Writer {
  manager: string;
  operation: Owner["operation"];
  subresource: string;
  now_ms: number;
}

/** Whether an entry is the writer's own. */
export function isOf(owner: Owner, kind: Kind, writer: Writer): boolean {
  return (
    owner.manager === writer.manager &&
    owner.operation === writer.operation &&
    owner.subresource === writer.subresource &&
    owner.apiVersion === apiVersionOf(kind)
  );
}

/**
 * The owners after the writer came to own exactly `fields`; its time moves only when they change.
 */
export function withFields(
  owners: readonly Owner[],
  kind: Kind,
  writer: Writer,
  fields: FieldSet,
): Owner[] {
  const own = owners.find((owner) => isOf(owner, kind, writer));
  if (own?.fields.equals(fields)) return [...owners];
  const { manager, operation, subresource, now_ms } = writer;
  const time = timeText(now_ms);
  const entry: Owner = {
    manager,
    operation,
    subresource,
    apiVersion: apiVersionOf(kind),
    time,
    fields,
  };
  return [...owners.filter((owner) => owner !== own), entry];
}
