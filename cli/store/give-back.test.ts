import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { BUSY_LOOKS_MAX, givingBackWhenIdle, IDLE_MS } from "./give-back.ts";

/** Drops 60 MB of buffers that have grown old, and prints by how much less it has then. */
const PROGRAM = `
  import { giveMemoryBack } from ${JSON.stringify(join(import.meta.dirname, "give-back.ts"))};
  let buffers = Array.from({ length: 60_000 }, () => Buffer.alloc(1_000, 1));
  const last = buffers.at(-1);
  // Twice through the young generation, and they are collected with all else only.
  for (let i = 0; i < 200; i++) Array.from({ length: 10_000 }, (_, n) => ({ n }));
  buffers = undefined;
  const before = process.memoryUsage.rss();
  await giveMemoryBack();
  console.log(before - process.memoryUsage.rss(), last.length);
`;

test("unreferenced buffers are returned to the kernel", () => {
  const args = ["--max-semi-space-size=4", "--input-type=module", "--eval", PROGRAM];
  const env = { ...process.env, MALLOC_ARENA_MAX: "1" };
  const said = execFileSync(process.execPath, args, { encoding: "utf8", env });
  expect(Number(said.split(" ")[0])).toBeGreaterThan(30 << 20);
});

test("memory is given back once the loop is idle, and not while reads follow a burst", () => {
  const clock = new ManualClock();
  let active = 1;
  let given = 0;
  const onIdle = givingBackWhenIdle(
    clock,
    () => given++,
    () => active,
  );
  onIdle();
  clock.advance(IDLE_MS);
  onIdle();
  clock.advance(IDLE_MS);
  expect(given).toBe(0);
  active = 0.01;
  clock.advance(IDLE_MS);
  expect(given).toBe(1);
  clock.advance(10 * IDLE_MS);
  expect(given).toBe(1);
  onIdle();
  clock.advance(IDLE_MS);
  expect(given).toBe(2);
  active = 1;
  onIdle();
  clock.advance((BUSY_LOOKS_MAX - 1) * IDLE_MS);
  expect(given).toBe(2);
  clock.advance(IDLE_MS);
  expect(given).toBe(3); // from a loop that is never idle, too
});
