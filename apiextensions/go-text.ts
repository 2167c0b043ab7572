/** Values as Go's fmt and encoding/json write them. */
import { isObject } from "@raft2kube/apimachinery/json/json.ts";

/** The text of a value in a cell or a field selector. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return "<no value>";
  if (typeof value === "number") return numberText(value);
  return typeof value === "object" ? jsonText(value) : String(value);
}

/** A number as Go's `%v` shows it. */
export function numberText(value: number): string {
  const text = Number.isInteger(value) || Math.abs(value) >= 1e-4
    ? String(value) : value.toExponential();
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

/** JSON with members in order and HTML's characters escaped. */
function jsonText(value: unknown): string {
  const ordered = (_name: string, member: unknown) => (isObject(member)
    ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1))) : member);
  return JSON.stringify(value, ordered).replace(/[<>&\u2028\u2029]/g,
    (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
