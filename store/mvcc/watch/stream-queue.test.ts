import type { Event, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { MERGED_EVENTS_BYTES } from "../../limits.ts";
import { WatchStreamQueue } from "./stream-queue.ts";

const header = (revision: number) => ({ clusterId: 1n, memberId: 2n, revision, raftTerm: 3 });

function response(revision: number, events: Event[] = []): WatchResponse {
  return {
    header: header(revision),
    watchId: 1n,
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: "",
    fragment: false,
    events,
  };
}

const event = (): Event => ({ type: 0, kv: undefined, prevKv: undefined });
const shape = (taken: WatchResponse[] | undefined) =>
  taken?.map(({ header: head, events }) => [head?.revision, events.length]);

test("events of a watch that still wait go together, and say the newest revision", async () => {
  const queue = new WatchStreamQueue();
  const taking = queue.take();
  const queued = queue.pushEvents(response(5, [event()]), 10)!;
  expect(queue.extend(queued, [event(), event()], header(7), 20)).toBe(true);
  expect(shape(await taking)).toEqual([[7, 3]]);
  expect(queue.extend(queued, [event()], header(8), 10)).toBe(false);
});

test("S5: later events are not put before what says how far the stream is", async () => {
  const queue = new WatchStreamQueue();
  const queued = queue.pushEvents(response(5, [event()]), 10)!;
  queue.push(response(5), 10);
  expect(queue.extend(queued, [event()], header(6), 10)).toBe(false);
  const later = queue.pushEvents(response(6, [event()]), 10)!;
  expect(queue.extend(later, [event()], header(7), 10)).toBe(true);
  expect(shape([(await queue.next())!])).toEqual([[5, 1]]);
  expect(shape(await queue.take())).toEqual([
    [5, 0],
    [7, 2],
  ]);
});

test("a response does not grow without end, and a full queue says so", async () => {
  const queue = new WatchStreamQueue();
  const queued = queue.pushEvents(response(5, [event()]), MERGED_EVENTS_BYTES)!;
  expect(queue.extend(queued, [event()], header(6), 1)).toBe(false);
  while (!queue.full) queue.pushEvents(response(6, [event()]), MERGED_EVENTS_BYTES);
  let notFull = false;
  const waiting = queue.untilNotFull().then(() => (notFull = true));
  expect(notFull).toBe(false);
  await queue.take();
  await waiting;
  expect([notFull, queue.full]).toEqual([true, false]);
});

test("a pending read gets the end", async () => {
  const queue = new WatchStreamQueue();
  const waiting = queue.next();
  queue.end();
  expect(await waiting).toBeUndefined();
  expect(queue.pushEvents(response(1), 1)).toBeUndefined();
});
