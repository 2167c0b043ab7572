import { diffLines } from "diff";
import { parseAllDocuments, stringify } from "yaml";
import type { AnyObject } from "./api.ts";
import { InputError } from "./text.ts";

/** An object as a person edits it: without the fields' managers. */
export function yamlOf(object: AnyObject): string {
  const { managedFields: _, ...metadata } = object.metadata;
  return stringify({ ...object, metadata });
}

/** The objects of a text; throws with the line of an error. */
export function objectsIn(text: string): AnyObject[] {
  const documents = parseAllDocuments(text);
  const objects = (Array.isArray(documents) ? documents : []).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS({ maxAliasCount: 100 }) as Partial<AnyObject> | null;
  });
  return objects.filter((object) => object !== null).map((object) => {
    if (typeof object.metadata !== "object") throw new InputError("a document has no metadata");
    return object as AnyObject;
  });
}

/** Lines that differ, each after `+` or `-`. */
export function changes(before: string, after: string): string[] {
  return diffLines(before, after).filter(({ added, removed }) => added || removed)
    .flatMap(({ value, added }) => value.trimEnd().split("\n")
      .map((line) => `${added ? "+" : "-"} ${line}`));
}
