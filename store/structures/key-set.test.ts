import { randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { inRange, type KeyRange } from "./key-range.ts";
import { KeySet } from "./key-set.ts";

const LETTERS = ["", "a", "b", "c", "d", "e", "\0"];

test("has the keys of its ranges, and no others", () => {
  const seed = Date.now() % 2 ** 32;
  const random = seededRandom(seed);
  const key = () => {
    const letters = Array.from({ length: 3 }, () => LETTERS[randomInteger(random, 0, 7)]!);
    return letters.join("");
  };
  for (let round = 0; round < 200; round++) {
    const ranges = Array.from({ length: randomInteger(random, 0, 6) }, (): KeyRange => {
      const from = key();
      const form = random.next();
      if (form < 0.3) return { from, to: from, single: true };
      return { from, to: form < 0.4 ? undefined : key(), single: false };
    });
    const [all, set] = [new KeySet(), new KeySet()];
    for (const range of ranges) set.add(range);
    all.addAll(set);
    const keys = Array.from({ length: 30 }, key);
    const wanted = keys.map((one) => ranges.some((range) => inRange(range, one)));
    const found = [set, all].map((each) => keys.map((one) => each.has(one)));
    expect(found, `seed ${seed}`).toEqual([wanted, wanted]);
  }
});
