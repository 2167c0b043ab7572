import { parseExact } from "@raft2kube/std/exact-json.ts";
import type { Json } from "../json/json.ts";
import { nameOf, partsOf, type Place } from "./place.ts";

/**
 * Returns the errors of lists in which two items have one key, and of sets with duplicate values:
 * it would be undecided which of the two an applied configuration owns. The texts are upstream's.
 */
export function doubledItems(place: Place, value: Json, at = ""): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  for (const part of partsOf(place, value) ?? []) {
    const { element } = part;
    if (seen.has(element)) found.push(`${at}: duplicate entries for key ${shown(element)}`);
    seen.add(element);
    const step = element.startsWith("f:") ? `.${nameOf(element)}` : shown(element);
    found.push(...doubledItems(part.place, part.value, at + step));
  }
  return found;
}

/** `[name="c"]`, or `["value"]` in a set. */
function shown(element: string): string {
  const text = element.slice(2);
  if (element.startsWith("v:")) return `[${text}]`;
  const keys = Object.entries(parseExact(text) as Record<string, unknown>);
  return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
}
