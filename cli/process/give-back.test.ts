import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

const here = (path: string) => JSON.stringify(join(import.meta.dirname, path));

/** Frees 20 MB beneath what lives, twice, and prints what each time to give back took away. */
const PROGRAM = `
  import { ManualClock } from ${here("../../base/std/clock.ts")};
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

/** Prints whether garbage is there before V8 is asked to collect, and after. */
const COLLECTS = `
  import { ManualClock } from ${here("../../base/std/clock.ts")};
  import { COLLECT_AFTER_MS, startGivingBack } from ${here("give-back.ts")};
  const clock = new ManualClock();
  const [how, heapBytesMax] = process.argv.slice(-2);
  const part = startGivingBack(clock, {
    collects: how === "collects", ...(heapBytesMax > 0 ? { heapBytesMax: +heapBytesMax } : {}),
  });
  const garbage = new WeakRef({});
  // In a later task: what a task has looked at stays until it ends.
  setImmediate(() => {
    clock.advance(COLLECT_AFTER_MS);
    setImmediate(() => console.log(garbage.deref() === undefined));
  });
`;

it.each([["collects", "0", "true"], ["waits", "0", "false"], ["collects", "1", "false"]])(
  "a process that %s, with a heap of %s bytes at most, has V8 collect after its start: %s",
  (how, heapBytesMax, expected) => {
    const args = ["--input-type=module", "--eval", COLLECTS, how, heapBytesMax];
    const said = execFileSync(process.execPath, args, { encoding: "utf8" });
    expect(said.trim()).toBe(expected);
  },
);
