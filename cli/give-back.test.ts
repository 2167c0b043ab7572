import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { afterLoads } from "./give-back.ts";

const here = (path: string) => JSON.stringify(join(import.meta.dirname, path));

/** Frees 20 MB beneath what lives, twice, and prints what each time to give back took away. */
const PROGRAM = `
  import { ManualClock } from ${here("../base/std/clock.ts")};
  import { GIVE_BACK_MS, startGivingBack } from ${here("give-back.ts")};
  const clock = new ManualClock();
  const part = startGivingBack(clock);
  const kept = [];
  const given = async (wait_ms) => {
    let blocks = Array.from({ length: 20_000 }, () => Buffer.alloc(1_000, 1));
    kept.push(blocks.at(-1));
    blocks = undefined;
    while (process.memoryUsage().arrayBuffers > 4e6) {
      gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const before = process.memoryUsage.rss();
    clock.advance(wait_ms);
    return before - process.memoryUsage.rss();
  };
  const bytes = [await given(0), await given(GIVE_BACK_MS)];
  await part.close();
  bytes.push(await given(GIVE_BACK_MS));
  console.log(JSON.stringify(bytes));
`;

it("a process gives memory back again and again until it is closed", () => {
  const args = ["--expose-gc", "--input-type=module", "--eval", PROGRAM];
  const said = execFileSync(process.execPath, args, { encoding: "utf8" });
  const [first, second, closed] = JSON.parse(said) as number[];
  expect(first).toBeGreaterThan(10 << 20);
  expect(second).toBeGreaterThan(10 << 20);
  expect(closed).toBeLessThan(1 << 20);
});

it("a load has one collection, once it is over, and the next one's waits for a minute", () => {
  const dueAt = afterLoads();
  const looks: [share: number, now_s: number, due?: string][] = [
    [0.05, 5],
    [0.9, 10],
    [0.05, 15, "collect"],
    [0.05, 20, "release"],
    [0.05, 25],
    [0.9, 30],
    [0.05, 70],
    [0.05, 75, "collect"],
    [0.9, 80, "release"],
    [0.05, 130],
    [0.05, 135, "collect"],
  ];
  for (const [share, now_s, due] of looks)
    expect([now_s, dueAt(share, now_s * 1e3)]).toEqual([now_s, due]);
});

it("the load of a start is collected by what collects after the start, and not once more", () => {
  const dueAt = afterLoads(30_000);
  const looks: [share: number, now_s: number, due?: string][] = [
    [0.9, 10],
    [0.05, 15],
    [0.9, 25],
    [0.05, 30],
    [0.05, 85],
    [0.05, 95],
    [0.9, 100],
    [0.05, 105, "collect"],
  ];
  for (const [share, now_s, due] of looks)
    expect([now_s, dueAt(share, now_s * 1e3)]).toEqual([now_s, due]);
});

/**
 * Looks at the loop with shares that are given, and prints after each whether 60 MB of buffers that
 * nothing refers to are collected; then whether the last look returned their memory.
 */
const LOADED = `
  import { ManualClock } from ${here("../base/std/clock.ts")};
  import { LOOK_MS, startGivingBack } from ${here("give-back.ts")};
  const clock = new ManualClock();
  const shares = JSON.parse(process.argv.at(-1));
  let share;
  // A look's share is read at its beginning; what is read after a collection is no look's.
  startGivingBack(clock, undefined, () => share);
  clock.advance(0);
  let buffers = Array.from({ length: 60_000 }, () => Buffer.alloc(1_000, 1));
  const [first, last] = [new WeakRef(buffers[0]), buffers.at(-1)];
  // Twice through the young generation, and they are collected with all else only.
  for (let i = 0; i < 200; i++) Array.from({ length: 10_000 }, (_, n) => ({ n }));
  buffers = undefined;
  const collected = [];
  let before;
  while (shares.length > 0) {
    // What a task has looked at stays until it ends.
    await new Promise((resolve) => setImmediate(resolve));
    before = process.memoryUsage.rss();
    share = shares.shift();
    clock.advance(LOOK_MS);
    await new Promise((resolve) => setImmediate(resolve));
    collected.push(first.deref() === undefined);
    // V8 frees them in a thread of its own.
    while (collected.at(-1) && process.memoryUsage().arrayBuffers > 4e6) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const returned = before - process.memoryUsage.rss() > 30 << 20;
  console.log(JSON.stringify([...collected, returned]), last.length);
`;

it.each([
  [[1, 0.01, 0.01], [false, true, true], true],
  [[1, 1, 0.15, 0.01, 1], [false, false, false, true, true], true],
  [[0.05, 0.01, 0.01], [false, false, false], false],
])("after looks of a loop with shares %j V8 has collected: %j", (shares, collected, returned) => {
  // The heap's first limit and the reducer would have V8 collect by itself.
  const own = ["--initial-heap-size=512", "--no-memory-reducer", "--max-semi-space-size=4"];
  const flags = [...own, "--input-type=module", "--eval", LOADED];
  const env = { ...process.env, MALLOC_ARENA_MAX: "1" };
  const args = [...flags, JSON.stringify(shares)];
  const said = execFileSync(process.execPath, args, { encoding: "utf8", env, timeout: 60_000 });
  expect(said.trim()).toBe(`${JSON.stringify([...collected, returned])} 1000`);
});

/**
 * Prints whether the heap has so many MiB alive and dead, and whether V8 was asked to collect. By
 * itself it does not: the room for young objects is larger.
 */
const COLLECTS = `
  import { ManualClock } from ${here("../base/std/clock.ts")};
  import { collectGarbage } from ${here("../base/linux/process/collect-garbage.ts")};
  import { COLLECT_AFTER_MS, startGivingBack } from ${here("give-back.ts")};
  const clock = new ManualClock();
  const [how, live, dead] = process.argv.slice(-3);
  const blocks = (count) => Array.from({ length: count * 1_024 }, () => new Array(127).fill(0));
  const kept = blocks(+live);
  const most = how === "collects more" ? 512 << 20 : undefined;
  startGivingBack(clock, how === "waits" ? undefined : () => collectGarbage(most));
  gc();
  let garbage = blocks(+dead);
  const first = new WeakRef(garbage);
  garbage = undefined;
  // In a later task: what a task has looked at stays until it ends.
  setImmediate(() => {
    const isThere = process.memoryUsage().heapUsed > (+live + +dead) << 20;
    clock.advance(COLLECT_AFTER_MS);
    setImmediate(() => console.log(isThere, first.deref() === undefined, kept.length));
  });
`;

it.each([
  ["collects", 0, 0, true],
  ["waits", 0, 0, false],
  ["collects", 0, 80, false],
  ["collects more", 0, 80, true],
  ["collects more", 80, 80, true],
])(
  "a process that %s, with %s MiB alive and %s dead, has V8 collect after its start: %s",
  (how, live, dead, expected) => {
    const flags = ["--expose-gc", "--min-semi-space-size=128", "--max-semi-space-size=128"];
    const args = [...flags, "--input-type=module", "--eval", COLLECTS, how, `${live}`, `${dead}`];
    const said = execFileSync(process.execPath, args, { encoding: "utf8" });
    expect(said.trim()).toBe(`true ${expected} ${live * 1_024}`);
  },
);
