import { parseExact } from "@raft2kube/std/exact-json.ts";
import { isReason } from "../errors/api-error.ts";
import type { Json } from "../json/json.ts";
import { ODDITIES_MAX } from "../limits.ts";
import { shortened } from "./field-set.ts";
import { nameOf, type Part, type Place, partsOf } from "./place.ts";

/**
 * Returns the errors of lists in which two items have one key or one has none, and of sets with
 * duplicate values: it would be undecided what an applied configuration owns. The texts are
 * upstream's, at most ODDITIES_MAX.
 */
export function doubledItems(place: Place, value: Json): string[] {
  const found: string[] = [];
  look(place, value, "", found);
  return found;
}

function look(place: Place, value: Json, at: string, found: string[]): void {
  const seen = new Set<string>();
  for (const part of partsOrError(place, value, at, found)) {
    if (found.length >= ODDITIES_MAX) return;
    const { element } = part;
    if (seen.has(element)) {
      found.push(`${at}: duplicate entries for key ${shortened(shown(element))}`);
    }
    seen.add(element);
    const step = element.startsWith("f:") ? `.${nameOf(element)}` : shown(element);
    look(part.place, part.value, shortened(at + step), found);
  }
}

function partsOrError(place: Place, value: Json, at: string, found: string[]): readonly Part[] {
  try {
    return partsOf(place, value) ?? [];
  } catch (thrown) {
    if (!isReason(thrown, "BadRequest")) throw thrown;
    found.push(`${at}: ${thrown.message}`);
    return [];
  }
}

/** `[name="c"]`, or `[="value"]` in a set. */
function shown(element: string): string {
  const text = element.slice(2);
  if (element.startsWith("v:")) return `[=${text}]`;
  const keys = Object.entries(parseExact(text) as Record<string, unknown>);
  return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
}
