import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { RATE_WAITERS_MAX } from "../limits.ts";
import type { Transport } from "../transport/transport.ts";
import { KubeClient } from "./client.ts";
import { RateLimit } from "./rate-limit.ts";

test("lets a burst through at once, then as many per second as set, in order", async () => {
  const clock = new ManualClock();
  const rate = new RateLimit({ clock, qps: 10, burst: 3 });
  const passed: number[] = [];
  for (let i = 0; i < 6; i++) void rate.take().then(() => passed.push(i));
  await Promise.resolve();
  expect(passed).toEqual([0, 1, 2]);
  clock.advance(100);
  await Promise.resolve();
  expect(passed).toEqual([0, 1, 2, 3]);
  clock.advance(200);
  await Promise.resolve();
  expect(passed).toEqual([0, 1, 2, 3, 4, 5]);
});

test("a namespace with thousands of requests delays those of others by one", async () => {
  const clock = new ManualClock();
  const rate = new RateLimit({ clock, qps: 10, burst: 1 });
  const passed: string[] = [];
  let full = 0;
  const take = (owner: string) =>
    void rate.take(owner).then(
      () => passed.push(owner),
      () => full++,
    );
  for (let i = 0; i < RATE_WAITERS_MAX + 1; i++) take("many");
  take("few");
  clock.advance(200);
  await Promise.resolve();
  expect(passed).toEqual(["many", "many", "few"]);
  expect(full).toBe(1);
});

test("fills up to the burst and no further", async () => {
  const clock = new ManualClock();
  const rate = new RateLimit({ clock, qps: 100, burst: 2 });
  clock.advance(60_000);
  let passed = 0;
  for (let i = 0; i < 5; i++) void rate.take().then(() => passed++);
  await Promise.resolve();
  expect(passed).toBe(2);
});

test("lets all pass once it is closed, also those that come later", async () => {
  const rate = new RateLimit({ clock: new ManualClock(), qps: 1, burst: 1 });
  let passed = 0;
  for (let i = 0; i < 3; i++) void rate.take().then(() => passed++);
  rate.close();
  for (let i = 0; i < 100; i++) void rate.take().then(() => passed++);
  await Promise.resolve();
  expect(passed).toBe(103);
});

test("a client's requests wait by the namespaces of their paths", async () => {
  const clock = new ManualClock();
  const sent: string[] = [];
  const fetch: Transport["fetch"] = async ({ path }) => {
    sent.push(path.split("/")[4]!);
    return { status: 200, headers: {}, body: Buffer.from("{}") };
  };
  const transport = { fetch } as Transport;
  const client = new KubeClient({ server: "https://x", transport, clock, qps: 10, burst: 1 });
  const get = (namespace: string) =>
    client.send({ method: "GET", path: `/api/v1/namespaces/${namespace}/pods` });
  const all = ["many", "many", "many", "many", "few"].map(get);
  clock.advance(1_000);
  await Promise.all(all);
  expect(sent).toEqual(["many", "many", "few", "many", "many"]);
});
