import { expect, test } from "vitest";
import { ManualClock } from "./clock.ts";
import { Quiet } from "./quiet.ts";

test("quiet is told once after much was done and then little, and not in between", () => {
  const clock = new ManualClock();
  let told = 0;
  const rule = { much_bytes: 1_000, little_bytes: 10, while_ms: 100 };
  const quiet = new Quiet(clock, rule, () => told++);
  quiet.note(999);
  clock.advance(1_000);
  expect(told).toBe(0);
  for (let i = 0; i < 5; i++) {
    quiet.note(10);
    clock.advance(60);
  }
  expect(told).toBe(0);
  quiet.note(9);
  clock.advance(99);
  expect(told).toBe(0);
  clock.advance(1);
  expect(told).toBe(1);
  quiet.note(9);
  clock.advance(1_000);
  expect(told).toBe(1);
  quiet.note(1_000);
  quiet.stop();
  quiet.note(1_000);
  clock.advance(1_000);
  expect(told).toBe(1);
});
