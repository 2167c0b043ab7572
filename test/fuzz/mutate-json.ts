import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";

/** Values that code does not expect in a field's place. */
const ODD: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  1e308,
  "",
  "x",
  "10.1.0.5/16; }",
  "a\nb",
  "../../x",
  [],
  {},
  [null],
  [[]],
  { length: -1 },
  { toString: 1 },
];

/** A copy of a JSON value with one value anywhere in it replaced, taken out, or named oddly. */
export function mutateJson(value: unknown, random: Random): unknown {
  const copy = structuredClone(value);
  const places = placesOf(copy);
  if (places.length === 0) return pick(random, ODD);
  const [holder, key] = pick(random, places);
  const entries = holder as Record<string, unknown>;
  const kind = randomInteger(random, 0, 10);
  if (kind === 0) delete entries[key];
  else if (kind === 1 && !Array.isArray(holder)) {
    const inner = { value: entries[key], enumerable: true };
    Object.defineProperty(entries, pick(random, ["__proto__", "constructor", "length"]), inner);
  } else entries[key] = structuredClone(pick(random, ODD));
  return copy;
}

/** Each object or list with a key of it, at every depth. */
function placesOf(value: unknown): [holder: object, key: string][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    [value, key] as [object, string],
    ...placesOf(inner),
  ]);
}
