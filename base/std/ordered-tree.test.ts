import { expect, it } from "vitest";
import { OrderedTree } from "./ordered-tree.ts";
import { seededRandom } from "./random.ts";

type Item = { key: string; value: number };

const END = "\uffff";

const keyOf = (n: number): string => `k${String(n).padStart(5, "0")}`;

/** The expected content of the tree, in a plain array. */
function sorted(map: ReadonlyMap<string, Item>): Item[] {
  return [...map.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

it.each([1, 2, 3])("agrees with a map under random changes (seed %i)", (seed) => {
  const random = seededRandom(seed);
  const below = (n: number) => Math.floor(random.next() * n);
  const map = new Map<string, Item>();
  let tree = OrderedTree.empty<Item>();
  for (let step = 0; step < 6_000; step++) {
    const key = keyOf(below(1_500));
    // Grows, shrinks to almost nothing, and grows again.
    const grow = Math.floor(step / 2_000) === 1 ? 0.1 : 0.8;
    if (random.next() < grow) {
      map.set(key, { key, value: step });
      tree = tree.set({ key, value: step });
    } else {
      map.delete(key);
      tree = tree.delete(key);
    }
    if (step % 250 !== 0) continue;
    const all = sorted(map);
    expect(tree.all()).toEqual(all);
    const [from, to] = [keyOf(below(1_500)), keyOf(below(1_500))];
    const part = all.filter((item) => item.key >= from && item.key < to);
    const walked: Item[] = [];
    tree.walk(from, to, (item) => void walked.push(item));
    expect(walked).toEqual(part);
    expect(tree.count(from, to)).toBe(part.length);
    expect(tree.size).toBe(map.size);
    expect(tree.get(key)).toEqual(map.get(key));
  }
});

it("a tree that was kept shows its state for ever", () => {
  const items = Array.from({ length: 3_000 }, (_, i) => ({ key: keyOf(i), value: i }));
  const kept = OrderedTree.of(items);
  let later = kept;
  for (let i = 0; i < 3_000; i += 2) later = later.delete(keyOf(i));
  for (let i = 1; i < 3_000; i += 2) later = later.set({ key: keyOf(i), value: -i });
  expect(kept.all()).toEqual(items);
  expect(later.size).toBe(1_500);
  expect(later.all().every(({ value }) => value < 0)).toBe(true);
});

it("a walk ends when its visitor has enough", () => {
  const tree = OrderedTree.of(Array.from({ length: 500 }, (_, i) => ({ key: keyOf(i), value: i })));
  const seen: number[] = [];
  tree.walk(keyOf(100), END, ({ value }) => seen.push(value) < 70);
  expect(seen).toEqual(Array.from({ length: 70 }, (_, i) => 100 + i));
});

it("taking away what is not there changes nothing", () => {
  const tree = OrderedTree.of([{ key: "a", value: 1 }]);
  expect(tree.delete("b")).toBe(tree);
  expect(tree.delete("a").size).toBe(0);
  expect(tree.delete("a").all()).toEqual([]);
});
