import type { Json } from "../json/json.ts";

const unset = new WeakSet<object>();

/** Records the empty lists and maps of an object in which no field is set. */
export function noteUnset(nothing: object): void {
  const members = Object.values(nothing);
  if (members.length === 0) unset.add(nothing);
  for (const member of members) {
    if (typeof member === "object" && member !== null) noteUnset(member as object);
  }
}

/** Whether a value is such an empty one, where Go has a null. */
export const isUnset = (value: Json): boolean =>
  typeof value === "object" && value !== null && unset.has(value);
