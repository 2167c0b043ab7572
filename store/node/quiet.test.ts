import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { QUIET_AFTER_BYTES, QUIET_MS } from "../limits.ts";
import { Quiet } from "./quiet.ts";

test("quiet is told once after much was written and then nothing, and not in between", () => {
  const clock = new ManualClock();
  let told = 0;
  const quiet = new Quiet(clock, () => told++);
  quiet.flushed(QUIET_AFTER_BYTES - 1);
  clock.advance(10 * QUIET_MS);
  expect(told).toBe(0);
  for (let i = 0; i < 5; i++) {
    quiet.flushed(1);
    clock.advance(QUIET_MS - 1);
  }
  expect(told).toBe(0);
  clock.advance(1);
  expect(told).toBe(1);
  quiet.flushed(1);
  clock.advance(10 * QUIET_MS);
  expect(told).toBe(1);
  quiet.flushed(QUIET_AFTER_BYTES);
  quiet.stop();
  clock.advance(10 * QUIET_MS);
  expect(told).toBe(1);
});
