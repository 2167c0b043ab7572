import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { AutoCompaction, type AutoCompactionOptions } from "./auto-compaction.ts";

const HOUR_MS = 3_600_000;

/** A store whose revision the test sets; notes what it is asked to compact. */
function begin(options: AutoCompactionOptions) {
  const clock = new ManualClock();
  const store = {
    at: 1,
    leads_: true,
    compacted: [] as number[],
    fails: undefined as Error | undefined,
    revision: () => store.at,
    leads: () => store.leads_,
    compact: (revision: number) => {
      if (store.fails) return Promise.reject(store.fails);
      store.compacted.push(revision);
      return Promise.resolve();
    },
  };
  const compaction = new AutoCompaction(options, store, clock);
  compaction.start();
  /** Lets time pass in small steps; each sees what the one before brought about. */
  const pass = async (by_ms: number, step_ms: number, each?: (step: number) => void) => {
    for (let step = 1; step * step_ms <= by_ms; step++) {
      each?.(step);
      clock.advance(step_ms);
      await Promise.resolve();
      await Promise.resolve();
    }
  };
  return { store, pass };
}

test("by time: what is older goes, first after the whole time, then each hour", async () => {
  const { store, pass } = begin({ mode: "periodic", keep_ms: 5 * HOUR_MS });
  const look_ms = HOUR_MS / 10;
  const grow = () => (store.at += 10);
  await pass(5 * HOUR_MS - look_ms, look_ms, grow);
  expect(store.compacted).toEqual([]);
  await pass(look_ms, look_ms, grow);
  expect(store.compacted).toEqual([1]);
  await pass(HOUR_MS, look_ms, grow);
  expect(store.compacted).toEqual([1, 101]);
});

test("by time: a short one is kept to, and nothing new means nothing to do", async () => {
  const { store, pass } = begin({ mode: "periodic", keep_ms: 10_000 });
  await pass(9_000, 1_000);
  expect(store.compacted).toEqual([]);
  await pass(60_000, 1_000);
  expect(store.compacted).toEqual([1]);
  store.at = 50;
  await pass(30_000, 1_000);
  expect(store.compacted).toEqual([1, 50]);
});

test("by revision: each five minutes all but the last ones", async () => {
  const { store, pass } = begin({ mode: "revision", keepRevisions: 100 });
  store.at = 90;
  await pass(300_000, 300_000);
  expect(store.compacted).toEqual([]);
  store.at = 250;
  await pass(600_000, 300_000);
  expect(store.compacted).toEqual([150]);
});

test("only the leader compacts; one that was compacted already counts as done", async () => {
  const { store, pass } = begin({ mode: "revision", keepRevisions: 10 });
  store.at = 100;
  store.leads_ = false;
  await pass(300_000, 300_000);
  expect(store.compacted).toEqual([]);
  store.leads_ = true;
  store.fails = etcdError("compacted");
  await pass(300_000, 300_000);
  store.fails = undefined;
  await pass(300_000, 300_000);
  expect(store.compacted).toEqual([]);
  store.fails = etcdError("timeout");
  store.at = 200;
  await pass(300_000, 300_000);
  store.fails = undefined;
  await pass(300_000, 300_000);
  expect(store.compacted).toEqual([190]);
});
