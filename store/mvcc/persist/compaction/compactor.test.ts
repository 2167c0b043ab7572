import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { expect, test, vi } from "vitest";
import { memoryBackend } from "../../../../testing/store/memory-backend.ts";
import { initialMembership } from "../../../core/membership.ts";
import { COMPACT_CHUNK_KEYS, QUOTA_BYTES_DEFAULT, RECLAIM_BYTES_MIN } from "../../../limits.ts";
import { apply } from "../../apply/apply.ts";
import { encodeCommand } from "../../apply/command.ts";
import { parseRecordKey } from "../../records/revision.ts";
import { restoreState } from "../restore/restore.ts";
import { Compactor } from "./compactor.ts";

/** A state of eight records of one key, two of them compacted away. */
async function compactedState() {
  const backend = memoryBackend();
  const membership = initialMembership([1n]);
  const bootstrap = { membership, members: [], base: { index: 1, term: 1 } };
  const identity = { clusterId: 7n, memberId: 1n };
  const clock = new ManualClock();
  const state = await restoreState({ backend, identity, clock, bootstrap });
  const rest = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
  const request = { key: Buffer.from("k"), value: Buffer.from("v"), ...rest };
  for (let index = 2; index <= 9; index++) {
    const put = encodeCommand({ kind: "put", request }, { session: 1, sequence: index });
    apply(state, { index, term: 1 }, put);
  }
  state.recent.flushedTo(state.revision);
  Object.assign(state, { compactRevision: 4, flushedCompactRevision: 4 });
  return { backend, state };
}

const flushed = () => Promise.reject(new Error("the state is flushed already"));

test("S10: a compaction whose removals fail is not taken for done: the member ends", async () => {
  const { backend, state } = await compactedState();
  backend.writeBatch = () => Promise.reject(new Error("EIO: i/o error, write"));
  const failures: unknown[] = [];
  const compactor = new Compactor(state, flushed, (reason) => failures.push(reason), systemClock());
  compactor.start();
  await compactor.done();
  expect(failures).toMatchObject([{ message: "EIO: i/o error, write" }]);
  // The next start does it again: what is in the backend still has to go.
  expect(state.compactedRevision).toBe(-1);
});

test("S8: removals are durable before a later batch, whose inventory is without them", async () => {
  const { backend, state } = await compactedState();
  const batches: { removals: number; sync: boolean }[] = [];
  backend.writeBatch = (writes, { sync }) => {
    const removals = [...writes].filter(({ value }) => value === undefined).length;
    batches.push({ removals, sync });
    return Promise.resolve();
  };
  const failed = (reason: unknown) => expect.fail(String(reason));
  const compactor = new Compactor(state, flushed, failed, systemClock());
  compactor.start();
  await compactor.done();
  expect(batches).toEqual([{ removals: 2, sync: true }]);
});

test("space of all records removed so far is given back once the backend has grown, and again", async () => {
  const { backend, state } = await compactedState();
  let total = RECLAIM_BYTES_MIN - 1;
  backend.size = () => Promise.resolve({ total, inUse: total });
  const compactRange = vi.spyOn(backend, "compactRange");
  const failed = (reason: unknown) => expect.fail(String(reason));
  const compactor = new Compactor(state, flushed, failed, systemClock());
  const compact = async (revision: number) => {
    Object.assign(state, { compactRevision: revision, flushedCompactRevision: revision });
    compactor.start();
    await compactor.done();
    return compactRange.mock.calls.length;
  };
  const ranges = () =>
    compactRange.mock.calls.map(([{ from, to }]) =>
      [from, to].map((key) => parseRecordKey(key).main),
    );
  expect(await compact(3)).toBe(0);
  total = 2 * RECLAIM_BYTES_MIN;
  expect(await compact(4)).toBe(1);
  // Of earlier processes too.
  expect(ranges()).toEqual([[0, 3]]);
  expect(await compact(5)).toBe(1);
  total *= 2;
  expect(await compact(6)).toBe(2);
  expect(ranges()[1]).toEqual([3, 5]);
  total = 0.8 * QUOTA_BYTES_DEFAULT;
  expect(await compact(7)).toBe(3);
  total *= 1.1;
  expect(await compact(8)).toBe(4);
});

test("each part of the index is compacted in a turn of its own, though none has removals", async () => {
  const { state } = await compactedState();
  state.index.compact(4, "", COMPACT_CHUNK_KEYS, () => undefined);
  for (let i = 0; i < 2 * COMPACT_CHUNK_KEYS; i++) state.index.put(`k${i}`, 6, i);
  const compact = vi.spyOn(state.index, "compact");
  const failed = (reason: unknown) => expect.fail(String(reason));
  const running = new Compactor(state, flushed, failed, systemClock());
  running.start();
  // Everything that needs no turn of the loop.
  await new Promise<void>((resolve) => process.nextTick(() => queueMicrotask(resolve)));
  expect(compact).toHaveBeenCalledTimes(1);
  await running.done();
  expect(compact).toHaveBeenCalledTimes(3);
});

/** A compactor with something to remove, and what it has removed. */
async function compactor() {
  const { backend, state } = await compactedState();
  const failed = (reason: unknown) => expect.fail(String(reason));
  const made = new Compactor(state, flushed, failed, systemClock());
  /** Starts a read, which ends when the test says so. */
  const read = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const held = made.hold(() => promise);
    return async () => {
      resolve();
      await held;
    };
  };
  return { backend, state, compactor: made, read };
}

test("a compaction waits for the reads that began before it, and for no others", async () => {
  const { state, compactor: running, read } = await compactor();
  const endEarlier = read();
  running.start();
  // Lists that overlap without end.
  const endLater = read();
  const removed = vi.fn();
  void running.removed(4).then(removed);
  await new Promise((resolve) => setImmediate(resolve));
  expect([removed.mock.calls.length, state.compactedRevision]).toEqual([0, -1]);
  await endEarlier();
  await expect.poll(() => removed.mock.calls.length).toBe(1);
  expect(state.compactedRevision).toBe(4);
  await endLater();
});

test("the wait before a backend is retired is for the reads of that backend alone", async () => {
  const { compactor: idle, read } = await compactor();
  const endEarlier = read();
  const retired = vi.fn();
  void idle.earlierReaders().then(retired);
  const endLater = read();
  await new Promise((resolve) => setImmediate(resolve));
  expect(retired).not.toHaveBeenCalled();
  await endEarlier();
  await expect.poll(() => retired.mock.calls.length).toBe(1);
  await endLater();
});

test.each(["stop", "pause"] as const)("%s ends a wait for reads that do not end", async (how) => {
  const { state, compactor: running, read } = await compactor();
  const endRead = read();
  running.start();
  const halted = vi.fn();
  void running[how]().then(halted);
  await expect.poll(() => halted.mock.calls.length).toBe(1);
  expect(state.compactedRevision).toBe(-1);
  await endRead();
});

test("a physical compaction ends with its own removals, while later ones go on", async () => {
  const { state, compactor: running, read } = await compactor();
  running.start();
  const removed = vi.fn();
  void running.removed(4).then(removed);
  // The next one is due before this one has ended, and waits for a read.
  state.compactRevision = 5;
  state.flushedCompactRevision = 5;
  const endRead = read();
  await expect.poll(() => removed.mock.calls.length).toBe(1);
  expect(state.compactedRevision).toBe(4);
  await endRead();
  await running.done();
  expect(state.compactedRevision).toBe(5);
});
