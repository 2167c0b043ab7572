import { diffLines } from "diff";
import { parseAllDocuments, type ScalarTag, stringify, type Tags } from "yaml";
import type { AnyObject } from "./api.ts";
import { InputError } from "./text.ts";

/**
 * An object as a person edits it: without the fields' managers. API servers read YAML 1.1, in which
 * `on` and `1_000` are no texts. Throws InputError for a number that JavaScript would round.
 */
export function yamlOf(object: AnyObject): string {
  const { apiVersion, kind, metadata, ...rest } = object;
  const { managedFields: _, ...shown } = metadata;
  refuseRounded(object, "");
  const customTags = (tags: Tags) => [OCTAL, ...tags];
  const ordered = { apiVersion, kind, metadata: shown, ...rest };
  return stringify(ordered, { version: "1.1", customTags });
}

/** Go's decoder knows this notation of YAML 1.2 as well: a text like it needs quotes. */
const OCTAL: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  test: /^[-+]?0o[0-7]+$/,
  resolve: Number,
};

function refuseRounded(value: unknown, path: string): void {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new InputError(`${path} has more digits than this page keeps: use kubectl edit`);
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, each] of Object.entries(value)) refuseRounded(each, `${path}.${key}`);
}

/** The objects of a text; throws with the line of an error. */
export function objectsIn(text: string): AnyObject[] {
  const documents = parseAllDocuments(text);
  const objects = (Array.isArray(documents) ? documents : []).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS({ maxAliasCount: 100 }) as Partial<AnyObject> | null;
  });
  return objects
    .filter((object) => object !== null)
    .map((object) => {
      if (typeof object.metadata !== "object") throw new InputError("a document has no metadata");
      return object as AnyObject;
    });
}

/** Lines that differ, each after `+` or `-`. */
export function changes(before: string, after: string): string[] {
  return diffLines(before, after)
    .filter(({ added, removed }) => added || removed)
    .flatMap(({ value, added }) =>
      value
        .trimEnd()
        .split("\n")
        .map((line) => `${added ? "+" : "-"} ${line}`),
    );
}
