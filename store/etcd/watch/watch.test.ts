import type { Init } from "@raft2kube/proto/codec.ts";
import { TxnRequest, WatchRequest, type WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { memoryBackend } from "../../../testing/store/memory-backend.ts";
import { initialMembership } from "../../core/membership.ts";
import {
  GRPC_OVERHEAD_BYTES,
  REQUEST_BYTES_MAX,
  STREAM_QUEUE_RESPONSES_MAX,
} from "../../limits.ts";
import { apply } from "../../mvcc/apply/apply.ts";
import { restoreState } from "../../mvcc/persist/restore/restore.ts";
import type { State } from "../../mvcc/state/state.ts";
import { WatchHub } from "../../mvcc/watch/hub.ts";
import { WatchSession } from "./watch.ts";

const key = Buffer.from("k");
const failed = (thrown: unknown) => {
  throw thrown;
};

async function open(): Promise<{ state: State; watches: WatchHub; session: WatchSession }> {
  const membership = initialMembership([1n]);
  const state = await restoreState({
    backend: memoryBackend(),
    identity: { clusterId: 1n, memberId: 1n },
    clock: new ManualClock(),
    bootstrap: { membership, members: [], base: { index: 0, term: 0 } },
  });
  const watches = new WatchHub(state, failed);
  return { state, watches, session: new WatchSession({ state, watches }, async () => undefined) };
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
