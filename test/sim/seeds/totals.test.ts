import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import type { Verdict } from "./pool.ts";
import { Totals } from "./totals.ts";

let folder: string;
beforeEach(() => {
  folder = testFolder("r2k-totals-");
});

function verdict(seed: number, message?: string): Verdict {
  const checker = message && "watch";
  return { script: { seed }, counts: [["crash", 2]], cpu_ms: 500, checker, message };
}

test("totals go on where an earlier run left them", () => {
  const path = join(folder, "totals.json");
  const first = Totals.read(path);
  for (const seed of [1, 2, 5]) first.take(verdict(seed), "abc");
  first.write(path);
  const second = Totals.read(path);
  expect(second.has(2)).toBe(true);
  expect(second.has(3)).toBe(false);
  second.take(verdict(3, "watch: an event is missing"), "def");
  second.write(path);
  const third = Totals.read(path);
  expect(third.ranges).toEqual([
    [1, 3],
    [5, 5],
  ]);
  expect(third.size).toBe(4);
  expect(third.counters.get("crash")).toBe(8);
  expect(third.cpu_s).toBe(2);
  expect(third.failures).toEqual([
    { seed: 3, commit: "def", message: "watch: an event is missing" },
  ]);
});

test("a seed that failed is run again, and is no failure any more when it passes", () => {
  const totals = new Totals();
  totals.take(verdict(7, "watch: an event is missing"), "abc");
  expect(totals.has(7)).toBe(false);
  totals.take(verdict(7), "def");
  expect(totals.has(7)).toBe(true);
  expect(totals.failures).toEqual([]);
  expect(totals.size).toBe(1);
});

test("plain and swarm seeds of one file are counted apart", () => {
  const path = join(folder, "totals.json");
  const plain = Totals.read(path);
  plain.take(verdict(1), "abc");
  plain.write(path);
  const swarm = Totals.read(path, { swarm: true });
  expect(swarm.has(1)).toBe(false);
  swarm.take(verdict(2), "abc");
  swarm.write(path);
  plain.take(verdict(3), "abc");
  plain.write(path);
  expect(Totals.read(path, { swarm: true }).ranges).toEqual([[2, 2]]);
  expect(Totals.read(path).size).toBe(2);
});

test("totals of another format are refused", () => {
  const path = join(folder, "totals.json");
  writeFileSync(path, '{"format": 9}');
  expect(() => Totals.read(path)).toThrow("has format 9");
});
