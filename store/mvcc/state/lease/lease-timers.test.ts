import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { LeaseTimers } from "./lease-timers.ts";

const lease = (id: bigint, ttl_s: number, remaining_s = 0) => {
  return { id, ttl_s, remaining_s, keys: new Set<string>() };
};

function leading(...leases: ReturnType<typeof lease>[]) {
  const clock = new ManualClock();
  const timers = new LeaseTimers(clock);
  for (const each of leases) timers.started(each);
  timers.restart(leases, 1_000);
  return { clock, timers };
}

test("a new leader gives a lease what is left, or its TTL, and the grace", () => {
  const { clock, timers } = leading(lease(1n, 10), lease(2n, 10, 4));
  expect([timers.remaining_s(1n), timers.remaining_s(2n)]).toEqual([11, 5]);
  clock.advance(5_000);
  expect(timers.takeExpired(9)).toEqual([2n]);
  expect(timers.expired(1n)).toBe(false);
});

test("an expired lease comes up again until it ends", () => {
  const { clock, timers } = leading(lease(1n, 2));
  clock.advance(3_000);
  expect(timers.takeExpired(9)).toEqual([1n]);
  expect(timers.takeExpired(9)).toEqual([]);
  clock.advance(1_000);
  expect(timers.takeExpired(9)).toEqual([1n]);
  timers.ended(1n);
  clock.advance(1_000);
  expect(timers.takeExpired(9)).toEqual([]);
});

test("what is left is recorded at half of the TTL, five minutes at most", () => {
  const { clock, timers } = leading(lease(1n, 10), lease(2n, 3_600));
  clock.advance(5_000);
  expect(timers.takeCheckpoints(9)).toEqual([{ id: 1n, left_s: 6 }]);
  clock.advance(295_000);
  expect(timers.takeCheckpoints(9)).toEqual([{ id: 2n, left_s: 3_301 }]);
});

test("a renewal has to be recorded behind a checkpoint, and only behind the last one", () => {
  const held = lease(1n, 10);
  const { clock, timers } = leading(held);
  expect(timers.checkpointOf(1n)).toBe(0);
  clock.advance(5_000);
  timers.takeCheckpoints(9);
  const first = timers.checkpointOf(1n);
  expect(first).toBeGreaterThan(0);
  clock.advance(5_000);
  timers.takeCheckpoints(9);
  timers.renewalRecorded(1n, first);
  expect(timers.checkpointOf(1n)).toBeGreaterThan(first);
  timers.renewalRecorded(1n, timers.checkpointOf(1n));
  expect(timers.checkpointOf(1n)).toBe(0);
});

test("a member that is no leader has no timers, regardless of granted and revoked leases", () => {
  const { clock, timers } = leading(lease(1n, 2));
  timers.stop();
  clock.advance(10_000);
  expect(timers.takeExpired(9)).toEqual([]);
  expect(timers.expired(1n)).toBe(true);
});
