import { expect, it } from "vitest";
import type { JsonObject } from "../json/json.ts";
import { mergeKeyedList, mergeScalarList } from "./strategic-list.ts";

const ITEMS = 2_000;
/** The number of reads of one item by indexing, ordering and copying; pairwise is more. */
const LOOKS_PER_ITEM = 20;

/** How two plain items merge. */
const overlaid = (old: JsonObject, item: JsonObject): JsonObject => ({ ...old, ...item });

/** Items whose key counts how often it is looked at. */
function counted(count: number, first: number, looks: { at: number }): JsonObject[] {
  return Array.from({ length: count }, (_, n) => {
    const item = { value: "v" };
    const get = () => {
      looks.at++;
      return `k${first + n}`;
    };
    return Object.defineProperty(item, "name", { get, enumerable: true }) as JsonObject;
  });
}

it("a patch of many items looks at each a few times, and not at each for each", () => {
  const looks = { at: 0 };
  const original = counted(ITEMS, 0, looks);
  const patch = counted(ITEMS, ITEMS / 2, looks);
  const merged = mergeKeyedList("name", original, patch, undefined, overlaid);
  expect(merged).toHaveLength(ITEMS * 1.5);
  expect(looks.at).toBeLessThan(2 * ITEMS * LOOKS_PER_ITEM);
});

it("of items with one key each removal takes the first", () => {
  const original = [{ name: "a", n: 1 }, { name: "b" }, { name: "a", n: 2 }, { name: "a", n: 3 }];
  const patch = [
    { name: "a", $patch: "delete" },
    { name: "a", n: 20 },
    { name: "c" },
    { name: "b", $patch: "delete" },
  ];
  const merged = mergeKeyedList("name", original, patch, undefined, overlaid);
  expect(merged).toEqual([{ name: "a", n: 20 }, { name: "a", n: 3 }, { name: "c" }]);
});

it("plain items are a set", () => {
  const merged = mergeScalarList(["a", "b"], ["c", "b", "c"], undefined);
  expect(merged).toEqual(["a", "b", "c"]);
});
