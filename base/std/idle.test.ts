import { expect, test } from "vitest";
import { ManualClock } from "./clock.ts";
import { IdleDetector } from "./idle.ts";

test("idle time is reported once after work, and not during it", () => {
  const clock = new ManualClock();
  let calls = 0;
  const thresholds = { busy_bytes: 1_000, idle_bytes: 10, idle_ms: 100 };
  const detector = new IdleDetector(clock, thresholds, () => calls++);
  detector.note(999);
  clock.advance(1_000);
  expect(calls).toBe(0);
  for (let i = 0; i < 5; i++) {
    detector.note(10);
    clock.advance(60);
  }
  expect(calls).toBe(0);
  detector.note(9);
  clock.advance(99);
  expect(calls).toBe(0);
  clock.advance(1);
  expect(calls).toBe(1);
  detector.note(9);
  clock.advance(1_000);
  expect(calls).toBe(1);
  detector.note(1_000);
  detector.stop();
  detector.note(1_000);
  clock.advance(1_000);
  expect(calls).toBe(1);
});
