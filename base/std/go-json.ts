import { compareTexts } from "./text.ts";

/** JSON with the members of objects in the order of their names, as Go's encoder writes maps. */
export function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => compareTexts(a, b)));
  });
}

/** JSON with the characters escaped that Go's encoder escapes, as they mean something in HTML. */
export function escapedJson(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** JSON as Go's encoding/json writes a map: sorted and escaped. */
export const goJson = (value: unknown): string => escapedJson(sortedJson(value));
