import { CodedError } from "@raft2kube/std/errors.ts";
import { goTags, OCTAL } from "@raft2kube/std/go-yaml.ts";
import { structuredPatch } from "diff";
import { parseAllDocuments, stringify, type Tags } from "yaml";
import type { AnyObject } from "./api.ts";

/**
 * An object as a person edits it: without the fields' managers, sorted as by kubectl, so that a
 * server's order is no difference. API servers read YAML 1.1, in which `on` and `1_000` are no
 * texts. Throws CodedError for a number that JavaScript would round.
 */
export function yamlOf(object: AnyObject): string {
  const { managedFields: _, ...metadata } = object.metadata;
  refuseRounded(object, "");
  const customTags = (tags: Tags) => [OCTAL, ...tags];
  return stringify({ ...object, metadata }, { version: "1.1", customTags, sortMapEntries: true });
}

function refuseRounded(value: unknown, path: string): void {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new CodedError("INPUT", `${path} has more digits than this page keeps: use kubectl edit`);
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, each] of Object.entries(value)) refuseRounded(each, `${path}.${key}`);
}

/** The objects of a text and of its Lists, read as API servers do; throws with an error's line. */
export function objectsIn(text: string): AnyObject[] {
  const documents = parseAllDocuments(text, { version: "1.1", customTags: goTags });
  return (Array.isArray(documents) ? documents : []).flatMap((document) => {
    const [wrong] = [...document.errors, ...document.warnings];
    if (wrong) throw wrong;
    const object = document.toJS({ maxAliasCount: 100 }) as AnyObject | null;
    if (object === null) return [];
    const { kind, items } = object;
    return (kind === "List" && Array.isArray(items) ? items : [object]).map(checked);
  });
}

function checked(object: AnyObject): AnyObject {
  const { apiVersion, kind, metadata } = (object ?? {}) as Partial<AnyObject>;
  const isWhole = typeof metadata === "object" && metadata !== null;
  if (typeof apiVersion !== "string" || typeof kind !== "string" || !isWhole) {
    throw new CodedError("INPUT", "an object needs apiVersion, kind (texts) and metadata");
  }
  refuseRounded(object, "");
  return object;
}

/** Lines that differ, each after `+` or `-`, with some around them. */
export const changes = (before: string, after: string): string[] =>
  structuredPatch("", "", before, after, "", "", { context: 2 }).hunks.flatMap(
    ({ lines }) => lines,
  );
