/** Values as Go's fmt and encoding/json write them. */

import { numberText } from "@raft2kube/api/errors.ts";
import { isObject } from "@raft2kube/apimachinery/json/json.ts";
import { goJson } from "@raft2kube/std/go-json.ts";

/** The text of a value in a cell or a field selector. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return "<no value>";
  if (typeof value === "number") return numberText(value);
  return typeof value === "object" ? goJson(value) : String(value);
}

/** A value whose members are in the order of Go's encoder. */
export function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, ordered(member)]),
  );
}
