import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import {
  STATS_STORAGE_AT_ONCE_MAX,
  STATS_STORAGE_MS,
  STATS_STORAGE_TURN_MS,
  STATS_STORAGE_WAIT_MS,
} from "../limits.ts";
import { Measurements } from "./measurements.ts";

const podOf = (uid: string): Pod => ({
  metadata: { name: uid, namespace: "shop", uid },
  spec: { containers: [] },
});
const settled = () => new Promise((resolve) => setImmediate(resolve));
const never = new Promise<number>(() => undefined);

/** Measurements of a node with these pods, and the UIDs of those started. */
function measurementsOf(uids: string[], resultOf: (uid: string) => Promise<number>) {
  const clock = new ManualClock();
  const begun: string[] = [];
  const pods = uids.map(podOf);
  const measurements = new Measurements({
    clock,
    workers: { list: () => pods.map((pod) => ({ pod })) },
    measure: (pod) => {
      begun.push(pod.metadata.uid!);
      return resultOf(pod.metadata.uid!);
    },
  });
  const ask = async (...of: Pod[]) => {
    const asked = measurements.of(of);
    await settled();
    clock.advance(STATS_STORAGE_WAIT_MS);
    return asked;
  };
  return { clock, begun, pods, measurements, ask };
}

test("a pod that is not asked for keeps its measurement in progress: none is added", async () => {
  const { begun, pods, ask } = measurementsOf(["runs", "crashes"], (uid) =>
    uid === "runs" ? Promise.resolve(1) : never,
  );
  for (let i = 0; i < 5; i++) {
    expect(await ask(...pods)).toEqual(new Map([["runs", 1]]));
    expect(await ask(pods[0]!)).toEqual(new Map([["runs", 1]]));
  }
  expect(begun.filter((uid) => uid === "crashes")).toHaveLength(1);
});

test("a pod that is not asked for keeps its rest", async () => {
  const { clock, begun, pods, ask } = measurementsOf(["runs", "crashes"], async () => 1);
  await ask(...pods);
  await ask(pods[0]!);
  await ask(...pods);
  expect(begun).toEqual(["runs", "crashes"]);
  clock.advance(STATS_STORAGE_MS);
  await ask(pods[1]!);
  expect(begun).toEqual(["runs", "crashes", "crashes"]);
});

test("a pod that has gone from the node is forgotten", async () => {
  const { begun, pods, ask } = measurementsOf(["gone", "stays"], async () => 1);
  const [gone, stays] = [pods[0]!, pods[1]!];
  await ask(gone, stays);
  pods.shift();
  expect(await ask(stays)).toEqual(new Map([["stays", 1]]));
  await ask(gone);
  expect(begun).toEqual(["gone", "stays", "gone"]);
});

test("a few pods are measured at once; those that take long let others begin", async () => {
  const uids = Array.from({ length: 2 * STATS_STORAGE_AT_ONCE_MAX + 1 }, (_, i) => `u${i}`);
  const { clock, begun, pods, measurements } = measurementsOf(uids, () => never);
  const asked = measurements.of(pods);
  for (const turn of [1, 2]) {
    await settled();
    expect(begun).toHaveLength(turn * STATS_STORAGE_AT_ONCE_MAX);
    clock.advance(STATS_STORAGE_TURN_MS);
  }
  await settled();
  expect(begun).toEqual(uids);
  clock.advance(STATS_STORAGE_WAIT_MS);
  expect(await asked).toEqual(new Map());
});
