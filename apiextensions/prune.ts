/** Removes from objects what their schema does not have. */
import { UNKNOWN_FIELD_CHARACTERS_MAX, UNKNOWN_FIELDS_MAX } from "@raft2kube/api/limits.ts";
import { isObject, type JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import type { Structural } from "./structural.ts";

/** The fields of every object, which an embedded resource has beside those of its schema. */
const META_FIELDS = new Set(["apiVersion", "kind", "metadata"]);

/**
 * Removes unknown fields from a whole object, in place; apiVersion, kind and metadata stay. Returns
 * the paths of the first UNKNOWN_FIELDS_MAX removed, sorted: `spec.x`, `spec.list[0].y`.
 */
export function prune(schema: Structural | undefined, object: object): string[] {
  const removed: string[] = [];
  pruneMembers(schema, object as JsonObject, "", removed, true);
  return removed.sort();
}

/** Removes unknown fields from a part of an object, such as a default. */
export function pruneValue(schema: Structural | undefined, value: unknown): string[] {
  const removed: string[] = [];
  pruneAt(schema, value, "", removed, false);
  return removed.sort();
}

/**
 * Prunes the value at a path. Where unknown fields are preserved, `kept` makes items of lists
 * inherit that, and known members are pruned as ever.
 */
function pruneAt(
  schema: Structural | undefined,
  value: unknown,
  path: string,
  removed: string[],
  kept: boolean,
): void {
  if (Array.isArray(value)) {
    const preserves = kept || schema?.preserves === true;
    if (preserves && schema === undefined) return;
    for (const [index, item] of value.entries()) {
      pruneAt(schema?.items, item, `${path}[${index}]`, removed, preserves);
    }
  } else if (isObject(value)) {
    if (kept && schema === undefined) return;
    pruneMembers(schema, value, path, removed, schema?.embedded === true, kept);
  }
}

/**
 * Removes the members of an object that its schema does not have, and notes their paths, up to
 * UNKNOWN_FIELDS_MAX of UNKNOWN_FIELD_CHARACTERS_MAX characters. The other members are pruned by
 * their own schemas. Those that only `additional` admits are known, by any name; `kept` as for
 * `pruneAt`.
 */
function pruneMembers(
  schema: Structural | undefined,
  object: JsonObject,
  path: string,
  removed: string[],
  embedded: boolean,
  kept = false,
): void {
  // lab:21 begin prune-members
  const preserves = kept || schema?.preserves === true;
  const additional = schema?.additional;
  for (const name of Object.keys(object)) {
    if (embedded && META_FIELDS.has(name)) continue;
    const at = path === "" ? name : `${path}.${name}`;
    const known = schema?.properties?.get(name);
    if (known !== undefined) pruneAt(known, object[name], at, removed, false);
    else if (additional !== undefined) {
      pruneAt(
        typeof additional === "object" ? additional : undefined,
        object[name],
        at,
        removed,
        false,
      );
    } else if (!preserves) {
      if (removed.length < UNKNOWN_FIELDS_MAX) {
        removed.push(at.slice(0, UNKNOWN_FIELD_CHARACTERS_MAX));
      }
      delete object[name];
    }
  }
  // lab:21 end
}
