import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { goTags, OCTAL } from "@raft2kube/std/go-yaml.ts";
import { diffLines } from "diff";
import { parseAllDocuments, stringify, type Tags } from "yaml";
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

function refuseRounded(value: unknown, path: string): void {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new InputError(`${path} has more digits than this page keeps: use kubectl edit`);
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, each] of Object.entries(value)) refuseRounded(each, `${path}.${key}`);
}

/** The kind, namespace and name of the one object that a text may have. */
export type Only = {
  kind: Pick<ResourceType, "group" | "kind">;
  metadata: Pick<AnyObject["metadata"], "namespace" | "name">;
};

/**
 * The objects of a text, read as API servers do; throws with the line of an error. With `only`,
 * another object is refused.
 */
export function objectsIn(text: string, only?: Only): AnyObject[] {
  const documents = parseAllDocuments(text, { version: "1.1", customTags: goTags });
  return (Array.isArray(documents) ? documents : []).flatMap((document) => {
    const [wrong] = [...document.errors, ...document.warnings];
    if (wrong) throw wrong;
    const object = document.toJS({ maxAliasCount: 100 }) as AnyObject | null;
    if (object === null) return [];
    const { apiVersion, kind, metadata } = object as Partial<AnyObject>;
    if (typeof apiVersion !== "string" || typeof kind !== "string") {
      throw new InputError("a document has no apiVersion and kind that are text");
    }
    if (typeof metadata !== "object" || metadata === null) {
      throw new InputError("a document has no metadata");
    }
    refuseRounded(object, "");
    if (only) refuseOther(object, only);
    return object;
  });
}

function refuseOther({ apiVersion = "", kind, metadata }: AnyObject, only: Only): void {
  const group = apiVersion.includes("/") ? apiVersion.split("/")[0] : "";
  const { name, namespace = "" } = only.metadata;
  const wanted = [only.kind.kind, only.kind.group, name, namespace];
  const given = [kind, group, metadata.name, metadata.namespace ?? ""];
  if (given.every((each, i) => each === wanted[i])) return;
  const place = namespace && ` of the namespace ${namespace}`;
  const edited = `${only.kind.kind} ${name}${place}`;
  throw new InputError(`this edits ${edited}, and no other object: use Create for others`);
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
