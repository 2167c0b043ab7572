import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { type Event, Event_EventType, type WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { type Awaited, follow, type OwnStore, withStore } from "./own-store.ts";

const FIRST = 2;
const WRITES = 60;
/** Writes that together exceed the store's buffer of a watcher, some 1 MiB. */
const SLOW_WRITES = 1_000;
const SLOW_VALUE_BYTES = 2_000;
const BATCH = 100;
/** The id of a notification of progress: it is of all watches of its stream. */
const PROGRESS_ID = -1n;
const CREATED: Awaited = {
  named: "the response that the watch is created",
  enough: (responses) => responses.some(({ created }) => created),
};
const PROGRESS: Awaited = {
  named: "the notification of progress, once the watch has caught up",
  enough: (responses) => responses.some(({ watchId }) => watchId === PROGRESS_ID),
};
const KEYS = { key: Buffer.from("k"), rangeEnd: Buffer.from("l") };

const keyOf = (i: number) => Buffer.from(`k${i % 5}`);

/** Writes numbered values; revision `FIRST + i` has value i, padded to a size. */
async function write(client: EtcdClient, from: number, to: number, bytes = 0): Promise<void> {
  for (let i = from; i < to; i += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, to - i) }, (_, k) => i + k);
    await Promise.all(
      batch.map((n) => client.put({ key: keyOf(n), value: Buffer.from(`${n}`.padEnd(bytes)) })),
    );
  }
}

/** The newest revision that a watch has reported. */
function reportedUpTo(responses: readonly WatchResponse[]): number {
  const last = responses.findLast(({ events }) => events.length > 0);
  return last?.events.at(-1)?.kv?.modRevision ?? 0;
}

function upTo(last: number): Awaited {
  const named = `every event up to revision ${last}`;
  return { named, enough: (responses) => reportedUpTo(responses) >= last };
}

/** The events of a watch of revisions `from` to `last`. */
async function eventsFrom(store: OwnStore, from: number, last: number): Promise<Event[]> {
  const stream = store.client.watch();
  stream.create({ ...KEYS, startRevision: from });
  const reader = stream[Symbol.asyncIterator]();
  const responses = await follow(reader, upTo(last));
  stream.close();
  return responses.flatMap(({ events }) => events);
}

function judgeEvents(events: readonly Event[], from: number, situation: string): void {
  events.forEach(({ kv }, i) => {
    judge(kv?.modRevision === from + i, {
      when: `${situation}: event ${i + 1} of a watch from revision ${from}`,
      expected: `the event of revision ${from + i}`,
      happened: `the event of revision ${kv?.modRevision}`,
      why: "a watch delivers every event once, in order: clients keep a copy of the state (S5)",
    });
  });
}

check("a watch can start at any revision, without a gap", () =>
  withStore(async (store) => {
    await write(store.client, 0, WRITES);
    const last = FIRST + WRITES - 1;
    for (const from of [FIRST, FIRST + 7, last - 1, last]) {
      judgeEvents(await eventsFrom(store, from, last), from, `${WRITES} writes before`);
    }
  }),
);

check("all events of a transaction come in one response, in their order", () =>
  withStore(async (store) => {
    const { client } = store;
    await client.put({ key: Buffer.from("k1"), value: Buffer.from("old") });
    const stream = client.watch();
    stream.create({ ...KEYS, startRevision: FIRST + 1 });
    await client.txn({
      success: [
        { requestPut: { key: Buffer.from("k2"), value: Buffer.from("new") } },
        { requestDeleteRange: { key: Buffer.from("k1") } },
      ],
    });
    const reader = stream[Symbol.asyncIterator]();
    const responses = await follow(reader, upTo(FIRST + 1));
    stream.close();
    const reported = responses.at(-1)!.events.map(({ type, kv }) => {
      const sign = type === Event_EventType.DELETE ? "-" : "+";
      return `${kv?.modRevision} ${sign}${kv?.key.toString()}`;
    });
    judge(reported.join(", ") === "3 +k2, 3 -k1", {
      when: "a transaction puts k2 and deletes k1, as revision 3",
      expected: "one response with 3 +k2, 3 -k1",
      happened: reported.join(", "),
      why: "a part of a transaction is a state that never existed (S5)",
    });
  }),
);

check("a watch of compacted revisions is canceled with the compact revision", () =>
  withStore(async (store) => {
    await write(store.client, 0, 10);
    await store.client.compact({ revision: 8 });
    const stream = store.client.watch();
    stream.create({ ...KEYS, startRevision: 3 });
    const responses = await follow(stream[Symbol.asyncIterator](), {
      named: "its cancellation, with compact revision 8",
      enough: (all) => all.some(({ canceled, events }) => canceled || events.length > 0),
    });
    stream.close();
    const last = responses.at(-1)!;
    judge(last.canceled && last.compactRevision === 8, {
      when: "a watch from revision 3 after a compaction at 8",
      expected: "canceled, with compact revision 8",
      happened: last.canceled
        ? `canceled, with compact revision ${last.compactRevision}`
        : `an event of revision ${last.events[0]?.kv?.modRevision}`,
      why: "on this error Kubernetes lists again; after a silent gap it acts on stale objects (S6)",
    });
    judge(last.header?.revision === 0, {
      when: "the header of this cancellation",
      expected: "revision 0",
      happened: `revision ${last.header?.revision}`,
      why: "a client that took it for progress would go on from there, after the gap",
    });
    judgeEvents(await eventsFrom(store, 8, 11), 8, "a compaction at 8");
  }),
);

check("a watch from the past catches up during writes", () =>
  withStore(async (store) => {
    await write(store.client, 0, WRITES);
    const following = eventsFrom(store, FIRST, FIRST + 3 * WRITES - 1);
    await write(store.client, WRITES, 3 * WRITES);
    judgeEvents(await following, FIRST, "writes before and after the watch began");
  }),
);

check("a slow watcher catches up without a gap", () =>
  withStore(async (store) => {
    const stream = store.client.watch();
    stream.create({ ...KEYS, startRevision: FIRST });
    const reader = stream[Symbol.asyncIterator]();
    await follow(reader, CREATED);
    // Nothing reads the stream meanwhile, and this is more than it may buffer.
    await write(store.client, 0, SLOW_WRITES, SLOW_VALUE_BYTES);
    stream.requestProgress();
    const last = FIRST + SLOW_WRITES - 1;
    const responses = await follow(reader, upTo(last));
    const events = responses.flatMap((response) => response.events);
    judgeEvents(events, FIRST, `${SLOW_WRITES} writes without a read`);
    const progress = responses.findIndex(({ watchId }) => watchId === PROGRESS_ID);
    judge(progress < 0, {
      when: `progress is requested while the watch catches up with ${SLOW_WRITES} writes`,
      expected: `its notification after the event of revision ${last}`,
      happened: `as response ${progress + 1} of ${responses.length}, before that event`,
      why: "it says that no event up to its revision is missing: earlier it hides the others (S5)",
    });
    await follow(reader, PROGRESS);
    stream.close();
  }),
);

check("a watch from a future revision begins with that revision", () =>
  withStore(async (store) => {
    const from = FIRST + 20;
    const following = eventsFrom(store, from, FIRST + WRITES - 1);
    await write(store.client, 0, WRITES);
    judgeEvents(await following, from, `the watch is older than these ${WRITES} writes`);
  }),
);

check("after a restart a watch continues where it was", () =>
  withStore(async (store) => {
    await write(store.client, 0, WRITES);
    await store.restart();
    const from = FIRST + 20;
    const events = await eventsFrom(store, from, FIRST + WRITES - 1);
    judgeEvents(events, from, "a restart in between");
  }),
);
