/** Documents of version 2 of other servers, merged into ours (kube-openapi's aggregator). */
import { isDeepStrictEqual } from "node:util";
import { CodedError } from "@raft2kube/std/errors.ts";
import { isRecord } from "@raft2kube/std/record.ts";

type Json = { readonly [name: string]: unknown };

/** The paths of a document and the definitions that they use. */
export type DocumentPart = { readonly paths: Json; readonly definitions: Json };

const REFERENCE = "#/definitions/";
/** Nesting of a foreign document: deeper is no schema of an API. */
const DEPTH_MAX = 200;
/** Definitions of one name that another is compared with: servers make a thousand of them. */
const COMPARED_MAX = 100;

/**
 * Returns the paths of a foreign document that start with `prefix`, and the definitions that these
 * reach; undefined for a document without them. Throws CodedError for one that is too deep.
 */
export function partOfDocument(document: unknown, prefix: string): DocumentPart | undefined {
  if (!isRecord(document) || !isRecord(document["paths"])) return undefined;
  const all = isRecord(document["definitions"]) ? document["definitions"] : {};
  const paths = Object.fromEntries(
    Object.entries(document["paths"]).filter(
      ([path]) => path.startsWith(prefix) || `${path}/` === prefix,
    ),
  );
  if (Object.keys(paths).length === 0) return undefined;
  const used = new Map<string, unknown>();
  const waiting: unknown[] = [paths];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    visitReferences(next, (name) => {
      if (used.has(name) || !Object.hasOwn(all, name)) return;
      used.set(name, all[name]);
      waiting.push(all[name]);
    });
  }
  return { paths, definitions: Object.fromEntries(used) };
}

/**
 * Returns a part whose definitions can stand beside those of `taken`: one that says the same as
 * ours under its name is left out, another gets a name of its own, `NAME_v2`.
 */
export function besideDefinitions(part: DocumentPart, taken: Json): DocumentPart {
  const renamed = new Map<string, string>();
  const kept: [string, unknown][] = [];
  for (const [name, definition] of Object.entries(part.definitions)) {
    if (!Object.hasOwn(taken, name)) {
      kept.push([name, definition]);
      continue;
    }
    let next = name;
    let count = 1;
    const own = essence(definition);
    const differs = () => count > COMPARED_MAX || !isDeepStrictEqual(essence(taken[next]), own);
    while (Object.hasOwn(taken, next) && differs()) next = `${name}_v${++count}`;
    if (next !== name) renamed.set(name, next);
    if (!Object.hasOwn(taken, next)) kept.push([next, definition]);
  }
  if (renamed.size === 0) return { paths: part.paths, definitions: Object.fromEntries(kept) };
  return {
    paths: withNames(part.paths, renamed) as Json,
    definitions: withNames(Object.fromEntries(kept), renamed) as Json,
  };
}

/** A definition without descriptions and kinds' names, which may differ in the same type. */
function essence(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(essence);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(
        ([key, each]) =>
          key !== "x-kubernetes-group-version-kind" &&
          key !== "default" &&
          !(key === "description" && typeof each === "string"),
      )
      .map(([key, each]) => [key, essence(each)]),
  );
}

function visitReferences(value: unknown, visit: (name: string) => void, depth = 0): void {
  if (depth > DEPTH_MAX) throw new CodedError("DEPTH", `nested deeper than ${DEPTH_MAX}`);
  if (Array.isArray(value)) {
    for (const each of value) visitReferences(each, visit, depth + 1);
  } else if (isRecord(value)) {
    const { $ref } = value;
    if (typeof $ref === "string" && $ref.startsWith(REFERENCE)) visit($ref.slice(REFERENCE.length));
    for (const each of Object.values(value)) visitReferences(each, visit, depth + 1);
  }
}

function withNames(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((each) => withNames(each, names));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => {
      const name =
        key === "$ref" && typeof each === "string" && each.startsWith(REFERENCE)
          ? names.get(each.slice(REFERENCE.length))
          : undefined;
      return [key, name === undefined ? withNames(each, names) : `${REFERENCE}${name}`];
    }),
  );
}
