import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { machineClock, SHARE_MAX } from "./machine-clock.ts";

/** A machine with `share` tasks for each processor. */
function machine(share: number) {
  const wall = new ManualClock(1_000);
  const at = { share };
  return { wall, at, clock: machineClock(wall, () => at.share) };
}

test("a second of an idle machine is a second, of one with four tasks each a quarter", () => {
  const { wall, at, clock } = machine(0.2);
  wall.advance(1_000);
  expect(clock.monotonic()).toBe(1_000);
  at.share = 4;
  wall.advance(1_000);
  expect(clock.monotonic()).toBe(1_250);
  expect(clock.now()).toBe(3_000);
});

test("a timer fires later under load, and never once it is cancelled", () => {
  const { wall, at, clock } = machine(4);
  const fired: string[] = [];
  clock.after(1_000, () => fired.push("kept"));
  clock.after(1_000, () => fired.push("cancelled")).cancel();
  wall.advance(3_900);
  expect(fired).toEqual([]);
  wall.advance(101);
  expect(fired).toEqual(["kept"]);
  at.share = 1;
  clock.after(1_000, () => fired.push("idle"));
  wall.advance(1_001);
  expect(fired).toEqual(["kept", "idle"]);
});

test("a limit ends under any load", async () => {
  const { wall, clock } = machine(1_000);
  let ended = false;
  const options = { clock, timeout_ms: 1_000, interval_ms: 100 };
  const waiting = waitFor("nothing", () => false, options).catch((thrown: Error) => {
    ended = true;
    return thrown.message;
  });
  for (let passed_ms = 0; !ended && passed_ms < 2 * SHARE_MAX * 1_000; passed_ms += 100) {
    wall.advance(100);
    await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await waiting).toMatch(/waited 1000 ms for nothing/);
});

test("a timer does not fire before its owner has it, however late the clock is read", () => {
  const wall = new ManualClock(1_000);
  const clock = machineClock(wall, () => {
    wall.advance(20);
    return 1;
  });
  const fired: string[] = [];
  clock.after(10, () => fired.push("late"));
  expect(fired).toEqual([]);
  wall.advance(10);
  expect(fired).toEqual(["late"]);
});
