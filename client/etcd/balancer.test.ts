import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { Balancer } from "./balancer.ts";
import { ENDPOINT_REST_MS, ENDPOINT_REST_MS_MAX } from "./limits.ts";

const NONE: ReadonlySet<number> = new Set();

test("calls stay with one endpoint until it fails, then with the next", () => {
  const clock = new ManualClock();
  const balancer = new Balancer(3, clock, false);
  expect([balancer.pick(NONE), balancer.pick(NONE)]).toEqual([0, 0]);
  balancer.failed(0);
  expect([balancer.pick(NONE), balancer.pick(NONE)]).toEqual([1, 1]);
  clock.advance(ENDPOINT_REST_MS_MAX);
  expect(balancer.pick(NONE)).toBe(1);
});

test("a call goes to each endpoint once, those that rest last", () => {
  const balancer = new Balancer(3, new ManualClock(), false);
  balancer.failed(0);
  balancer.failed(2);
  const tried = new Set<number>();
  for (let at = balancer.pick(tried); at !== undefined; at = balancer.pick(tried)) tried.add(at);
  expect([...tried][0]).toBe(1);
  expect(tried.size).toBe(3);
});

test("one that fails again and again rests longer, up to a bound; a success ends that", () => {
  const clock = new ManualClock();
  const balancer = new Balancer(2, clock, true);
  const restsFor = (ms: number) => {
    clock.advance(ms - 1);
    const before = [balancer.pick(NONE), balancer.pick(NONE)].includes(0);
    clock.advance(1);
    const after = [balancer.pick(NONE), balancer.pick(NONE)].includes(0);
    return !before && after;
  };
  balancer.failed(0);
  expect(restsFor(ENDPOINT_REST_MS)).toBe(true);
  balancer.failed(0);
  expect(restsFor(2 * ENDPOINT_REST_MS)).toBe(true);
  for (let i = 0; i < 10; i++) balancer.failed(0);
  expect(restsFor(ENDPOINT_REST_MS_MAX)).toBe(true);
  balancer.succeeded(0);
  balancer.failed(0);
  expect(restsFor(ENDPOINT_REST_MS)).toBe(true);
});
