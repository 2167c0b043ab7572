import type { EtcdClient, WatchStream } from "@raft2kube/client-etcd/client.ts";
import type { Event } from "@raft2kube/proto/gen/etcd.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { MERGED_EVENTS_BYTES } from "../../limits.ts";
import { type Store, startStore } from "../../main.ts";

let dataDir: string;
let store: Store | undefined;

beforeEach(() => void (dataDir = testFolder("r2k-watch-")));
afterEach(() => store?.close());

const key = (i: number) => Buffer.from(`key-${i % 7}`);

async function writeMany(client: EtcdClient, from: number, to: number): Promise<void> {
  const writes: Promise<unknown>[] = [];
  for (let i = from; i < to; i++) {
    writes.push(client.put({ key: key(i), value: Buffer.from(`${i}`) }));
  }
  await Promise.all(writes);
}

/** Opens a watch of all keys from `startRevision`, with the records before. */
function watchAll(client: EtcdClient, startRevision: number): WatchStream {
  const stream = client.watch();
  stream.create({
    key: Buffer.from("key-"),
    rangeEnd: Buffer.from("key."),
    startRevision,
    prevKv: true,
  });
  return stream;
}

test("S5: from the backend to the present, without a gap and nothing twice", async () => {
  const FIRST = 2;
  store = await startStore({ dataDir });
  await writeMany(store.client, 0, 2_500);
  await store.close();
  // After a restart nothing is recent: these come from the backend.
  store = await startStore({ dataDir });
  const { client } = store;
  await writeMany(client, 2_500, 3_000);
  const stream = watchAll(client, FIRST);
  const live = writeMany(client, 3_000, 4_000);
  const events: Event[] = [];
  for await (const response of stream) {
    events.push(...response.events);
    if (events.length >= 4_000) break;
  }
  await live;
  events.forEach(({ kv, prevKv }, i) => {
    expect(kv).toMatchObject({ modRevision: FIRST + i, value: Buffer.from(`${i}`) });
    const before = i < 7 ? undefined : `${i - 7}`;
    expect(prevKv?.value.toString()).toBe(before);
  });
});

test("large records of the past come in responses that stay small", async () => {
  const [count, bytes] = [12, 100_000];
  store = await startStore({ dataDir });
  for (let i = 0; i < count; i++) {
    await store.client.put({ key: key(0), value: Buffer.alloc(bytes, i) });
  }
  await store.close();
  store = await startStore({ dataDir });
  const sizes: number[] = [];
  let seen = 0;
  for await (const { events } of watchAll(store.client, 2)) {
    seen += events.length;
    if (events.length > 0) sizes.push(events.length * bytes);
    if (seen === count) break;
  }
  expect(Math.max(...sizes)).toBeLessThan(MERGED_EVENTS_BYTES + bytes);
});
