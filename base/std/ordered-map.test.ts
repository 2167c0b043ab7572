import { expect, test } from "vitest";
import { OrderedMap } from "./ordered-map.ts";
import { randomInteger, seededRandom } from "./random.ts";

test("behaves as a sorted Map, through splits and emptied chunks", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const random = seededRandom(seed);
    const map = new OrderedMap<number>();
    const model = new Map<string, number>();
    for (let step = 0; step < 6_000; step++) {
      const key = String(randomInteger(random, 0, 3_000));
      if (random.next() < 0.6) {
        map.set(key, step);
        model.set(key, step);
      } else {
        expect(map.delete(key)).toBe(model.delete(key));
      }
    }
    expect(map.size, `seed ${seed}`).toBe(model.size);
    const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [from, to] of [
      ["", undefined],
      ["2", "25"],
      ["29", "1"],
      ["999999", undefined],
    ]) {
      const visited: [string, number][] = [];
      map.visit(from!, to, (key, value) => {
        visited.push([key, value]);
        return undefined;
      });
      const expected = sorted.filter(([key]) => key >= from! && (to === undefined || key < to));
      expect(visited, `seed ${seed}, from ${from} to ${to}`).toEqual(expected);
    }
    for (const [key, value] of sorted.slice(0, 100)) expect(map.get(key)).toBe(value);
  }
});
