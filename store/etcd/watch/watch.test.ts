import type { Init } from "@raft2kube/proto/codec.ts";
import {
  PutRequest,
  TxnRequest,
  WatchRequest,
  type WatchResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test, vi } from "vitest";
import { memoryBackend } from "../../../testing/store/memory-backend.ts";
import { CountedTurns } from "../../../testing/turns.ts";
import { initialMembership } from "../../core/membership.ts";
import {
  CATCH_UP_CHANGES_MAX,
  CATCH_UP_SCANS,
  CATCH_UPS_OF_TURN,
  GRPC_OVERHEAD_BYTES,
  REQUEST_BYTES_MAX,
  STREAM_QUEUE_RESPONSES_MAX,
} from "../../limits.ts";
import { apply } from "../../mvcc/apply/apply.ts";
import { restoreState } from "../../mvcc/persist/restore/restore.ts";
import type { Change } from "../../mvcc/records/recent.ts";
import type { State } from "../../mvcc/state/state.ts";
import { WatchHub } from "../../mvcc/watch/hub.ts";
import type { WatchStreamQueue } from "../../mvcc/watch/stream-queue.ts";
import type { Watcher } from "../../mvcc/watch/watcher.ts";
import { keyRange } from "../../structures/key-range.ts";
import { WatchSession } from "./watch.ts";

const key = Buffer.from("k");
const failed = (thrown: unknown) => {
  throw thrown;
};

async function open(backend = memoryBackend()) {
  const membership = initialMembership([1n]);
  const state = await restoreState({
    backend,
    identity: { clusterId: 1n, memberId: 1n },
    clock: new ManualClock(),
    bootstrap: { membership, members: [], base: { index: 0, term: 0 } },
  });
  const watches = new WatchHub(state, failed);
  const sessionOf = (client: string) =>
    new WatchSession({ state, watches }, async () => undefined, client);
  return { state, watches, sessionOf, session: sessionOf("") };
}

const request = (fields: Init<WatchRequest>) => WatchRequest.decode(WatchRequest.encode(fields));

/** Resolves after all pending work of the event loop. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

const REQUESTS: readonly [what: string, fields: Init<WatchRequest>][] = [
  ["progress", { progressRequest: {} }],
  ["creates that are refused", { createRequest: { key, watchId: 7n } }],
];

test.each(REQUESTS)("requests for %s wait while no response is taken", async (_, fields) => {
  const { session } = await open();
  let taken = 0;
  async function* requests() {
    for (; taken < 100 * STREAM_QUEUE_RESPONSES_MAX; taken++) yield request(fields);
  }
  const following = session.follow(requests());
  await settled();
  expect(taken).toBe(STREAM_QUEUE_RESPONSES_MAX);
  expect(await session.take()).toHaveLength(STREAM_QUEUE_RESPONSES_MAX);
  await settled();
  expect(taken).toBe(2 * STREAM_QUEUE_RESPONSES_MAX);
  session.close();
  await following;
});

/** A revision whose events take three responses. */
function putMuch(state: State, watches: WatchHub): void {
  const size = Math.floor((REQUEST_BYTES_MAX + GRPC_OVERHEAD_BYTES) * 0.6);
  const success = ["a", "b", "c"].map((name) => {
    return { requestPut: { key: Buffer.from(`k${name}`), value: Buffer.alloc(size) } };
  });
  const command = TxnRequest.decode(TxnRequest.encode({ success }));
  const entry = { index: state.appliedIndex + 1, term: 1 };
  const outcome = apply(state, entry, Buffer.from("x"), { kind: "txn", request: command });
  watches.notify(outcome!.changes!);
}

const shape = (responses: WatchResponse[]) => {
  return responses.map(({ fragment, events }) => {
    return [fragment, ...events.map(({ kv }) => kv!.key.toString())];
  });
};

test("a watch that wants fragments gets a large revision in parts, another one whole", async () => {
  const { state, watches, session } = await open();
  const range = { key, rangeEnd: Buffer.from("l") };
  await session.handle(request({ createRequest: { ...range, watchId: 1n, fragment: true } }));
  await session.handle(request({ createRequest: { ...range, watchId: 2n } }));
  expect(await session.take()).toHaveLength(2);
  putMuch(state, watches);
  // Together they are more than a stream holds: the second watch catches up.
  const responses: WatchResponse[] = [];
  while (responses.length < 4) responses.push(...(await session.take())!);
  expect(shape(responses.filter(({ watchId }) => watchId === 1n))).toEqual([
    [true, "ka"],
    [true, "kb"],
    [false, "kc"],
  ]);
  expect(shape(responses.filter(({ watchId }) => watchId === 2n))).toEqual([
    [false, "ka", "kb", "kc"],
  ]);
  session.close();
});

test("a create that comes after the session was closed makes no watch", async () => {
  const { watches, session } = await open();
  session.close();
  expect(() => session.handle(request({ createRequest: { key } }))).not.toThrow();
  expect(watches.watcherCount).toBe(0);
});

/** Puts a key so many times, a revision each. */
function putTimes(state: State, watches: WatchHub, name: string, times: number): void {
  for (let i = 0; i < times; i++) {
    const put = { ...PutRequest.create(), key: Buffer.from(name) };
    const entry = { index: state.appliedIndex + 1, term: 1 };
    const outcome = apply(state, entry, Buffer.from("x"), { kind: "put", request: put });
    watches.notify(outcome!.changes!);
  }
}

/** Counts what `count` is called for in each turn of the event loop. */
function perTurn(turns: CountedTurns) {
  const counts = new Map<number, number>();
  const count = () => void counts.set(turns.now, (counts.get(turns.now) ?? 0) + 1);
  return { count, most: () => Math.max(...counts.values()) };
}

const PAST = { createRequest: { key: Buffer.from("other"), startRevision: 2 } };
const REVISIONS = 2 * CATCH_UP_CHANGES_MAX;

test("watches look through past changes in turns, those of another client in between", async () => {
  using turns = new CountedTurns();
  const { state, watches, sessionOf } = await open();
  putTimes(state, watches, "k", REVISIONS);
  const looked = perTurn(turns);
  const changes = state.recent.changes.bind(state.recent);
  state.recent.changes = (main) => {
    looked.count();
    return changes(main);
  };
  const [greedy, other] = [sessionOf("a"), sessionOf("b")];
  for (let i = 0; i < 50; i++) await greedy.handle(request(PAST));
  await other.handle(request({ createRequest: { key, startRevision: 2 } }));
  const start = turns.now;
  for (let events = 0; events < REVISIONS; ) {
    for (const response of (await other.take())!) events += response.events.length;
  }
  // Parts of both clients go in rotation.
  expect(turns.now - start).toBeLessThan(10);
  expect(looked.most()).toBeLessThanOrEqual(2 * CATCH_UPS_OF_TURN * (CATCH_UP_CHANGES_MAX + 1));
  greedy.close();
  other.close();
});

test("few watches of a client read the backend at a time", async () => {
  const backend = memoryBackend();
  let [scans, most, ended] = [0, 0, 0];
  const { state, watches, session } = await open({
    ...backend,
    async *scan(range) {
      most = Math.max(most, ++scans);
      yield* backend.scan(range);
      await settled();
      scans--;
      ended++;
    },
  });
  const before = ended;
  putTimes(state, watches, "k", 10);
  state.recent.flushedTo(state.revision);
  vi.spyOn(state.recent, "first", "get").mockReturnValue(state.revision + 1);
  const count = 4 * CATCH_UP_SCANS.ofClient;
  for (let i = 0; i < count; i++) await session.handle(request(PAST));
  while (ended < before + count) await settled();
  expect(most).toBeLessThanOrEqual(CATCH_UP_SCANS.ofClient);
  session.close();
});

function watcherOf(stream: WatchStreamQueue, id: number, nextRevision: number): Watcher {
  const wanted = { prevKv: false, progressNotify: false, fragment: false, idle: true };
  const filters = { noPut: false, noDelete: false };
  const range = keyRange(key, Buffer.alloc(0));
  return { ...wanted, ...filters, id: BigInt(id), range, stream, nextRevision, behind: false };
}

test("a wish for progress does not look at all watches of its stream", async () => {
  const { state, watches } = await open();
  const stream = watches.openStream();
  let looks = 0;
  const add = (id: number, nextRevision: number) => {
    const watcher = watcherOf(stream, id, nextRevision);
    Object.defineProperty(watcher, "behind", { get: () => (looks++, false) });
    watches.add(watcher);
  };
  const count = 100;
  for (let id = 1; id <= count; id++) add(id, state.revision + 1);
  add(count + 1, state.revision + 100);
  stream.progressWanted = true;
  for (let i = 0; i < count; i++) watches.answerProgress(stream);
  for (let id = 1; id <= count; id++) watches.remove(watches.watchers(stream).get(BigInt(id))!);
  expect(looks).toBeLessThanOrEqual(4 * count);
  // Nothing delays the answer any more.
  watches.remove(watches.watchers(stream).get(BigInt(count + 1))!);
  expect(await stream.take()).toMatchObject([{ watchId: -1n }]);
  watches.closeStream(stream);
});

test("a watch that falls behind again as it has caught up catches up again", async () => {
  const { state, watches } = await open();
  putTimes(state, watches, "k", 2);
  const stream = watches.openStream();
  let [behind, full] = [false, false];
  Object.defineProperty(stream, "full", { get: () => full });
  const watcher = watcherOf(stream, 1, 2);
  const putWhileFull = () => {
    full = true;
    putTimes(state, watches, "k", 1);
    full = false;
  };
  const set = (now: boolean) => {
    if (behind && !now && state.revision === 3) queueMicrotask(putWhileFull);
    behind = now;
  };
  Object.defineProperty(watcher, "behind", { get: () => behind, set });
  watches.add(watcher);
  await settled();
  const events = (await stream.take())!.flatMap((response) => response.events);
  expect(events.map(({ kv }) => kv!.modRevision)).toEqual([2, 3, 4]);
  watches.closeStream(stream);
});

test("the changes of a revision are sought for each range, not looked at for each", async () => {
  const { state, watches, session } = await open();
  const ranges = 100;
  for (let i = 0; i < ranges; i++) {
    const range = { key: Buffer.from(`z${i}`), rangeEnd: Buffer.from(`z${i}~`) };
    await session.handle(request({ createRequest: range }));
  }
  const some = { key: Buffer.from("b"), rangeEnd: Buffer.from("c"), watchId: 200n };
  await session.handle(request({ createRequest: some }));
  await session.take();
  const names = ["b2", ...Array.from({ length: 200 }, (_, i) => `a${i}`), "b1"];
  const success = names.map((name) => ({ requestPut: { key: Buffer.from(name) } }));
  const command = TxnRequest.decode(TxnRequest.encode({ success }));
  const entry = { index: state.appliedIndex + 1, term: 1 };
  const { changes } = apply(state, entry, Buffer.from("x"), { kind: "txn", request: command })!;
  let looks = 0;
  const counted = ({ key: name, ...change }: Change): Change => {
    const look = () => (looks++, name);
    return { ...change, key: { length: name.length, [Symbol.toPrimitive]: look } as never };
  };
  watches.notify(changes!.map(counted));
  expect(shape((await session.take())!)).toEqual([[false, "b2", "b1"]]);
  expect(looks).toBeLessThan((ranges * names.length) / 2);
  session.close();
});
