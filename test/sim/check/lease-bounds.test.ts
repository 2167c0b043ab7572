import { expect, test } from "vitest";
import { LeaseBounds } from "./lease-bounds.ts";

const held = (ttl_s: number, remaining_s = 0) => new Map([[7n, { ttl_s, remaining_s }]]);

const at = (now_ms: number, promised_ms = -Infinity) => {
  return { asked_ms: now_ms, answered_ms: now_ms, promised_ms };
};

test("lease bound: a grant and a renewal give the TTL, by the slowest clock", () => {
  const bounds = new LeaseBounds(0.5);
  bounds.granted(7n, 4, 1_000);
  bounds.left(7n, 4, at(1_000));
  bounds.left(7n, 13, at(1_000));
  expect(() => bounds.left(7n, 14, at(1_000))).toThrow("has 14 s left at 1000, until 9000 due");
  bounds.granted(7n, 4, 2_000);
  bounds.left(7n, 14, at(1_000));
  expect(() => bounds.left(8n, 1, at(1_000))).toThrow("lease bound");
});

test("lease bound: a new leader gives what a checkpoint left, and an election timeout", () => {
  const bounds = new LeaseBounds(0);
  bounds.began(held(10, 3), 1_000, 0);
  bounds.left(7n, 4, at(0));
  expect(() => bounds.left(7n, 6, at(0))).toThrow("lease bound");
  bounds.began(held(10), 1_000, 0);
  bounds.left(7n, 12, at(0));
  bounds.began(held(10, 3), 1_000, 2_000);
  bounds.left(7n, 10, at(2_000));
  expect(() => bounds.left(7n, 11, at(2_000))).toThrow("lease bound");
});

test("lease bound: a lease whose time is over is not renewed", () => {
  const bounds = new LeaseBounds(0);
  bounds.granted(7n, 4, 0);
  bounds.renewed(7n, 4, 3_000);
  expect(() => bounds.renewed(7n, 4, 7_001)).toThrow("is renewed at 7001, until 7000 due");
});

test("lease kept: a leader knows of what was acknowledged, by the fastest clock", () => {
  const bounds = new LeaseBounds(0.25);
  bounds.granted(7n, 10, 0);
  expect(bounds.promised_ms(7n)).toBe(-Infinity);
  bounds.acknowledged(7n, 10, 2_000);
  bounds.acknowledged(7n, 10, 1_000);
  expect(bounds.promised_ms(7n)).toBe(10_000);
  bounds.left(7n, 3, at(6_000, 10_000));
  expect(() => bounds.left(7n, 2, at(6_000, 10_000))).toThrow("lease kept");
});

test("lease kept, lease bound: by the fastest and the slowest clock since a lease was over", () => {
  const bounds = new LeaseBounds(0.5);
  bounds.granted(7n, 4, 1_000);
  bounds.left(7n, -1, at(9_000, 8_300));
  expect(() => bounds.left(7n, -1, at(9_000, 8_400))).toThrow("lease kept");
  bounds.left(7n, 0, at(11_000));
  expect(() => bounds.left(7n, 0, at(11_001))).toThrow("lease bound");
});

test("lease ends: a lease whose time is over does not live on", () => {
  const bounds = new LeaseBounds(0);
  bounds.began(held(10, 3), 1_000, 0);
  bounds.alive([7n], 500, 4_500);
  bounds.alive([], 500, 9_000);
  expect(() => bounds.alive([7n], 500, 4_501)).toThrow("lease 7 lives at 4501, until 4000 due");
});
