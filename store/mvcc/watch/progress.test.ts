import type { WatchStream } from "@raft2kube/client-etcd/client.ts";
import type { WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { type Store, startStore } from "../../main.ts";

let dataDir: string;
let store: Store;
beforeEach(async () => {
  dataDir = testFolder("r2k-progress-");
  store = await startStore({ dataDir, watchProgressInterval_ms: 5 });
});
afterEach(() => store.close());

const key = Buffer.from("k");

async function put(): Promise<number> {
  const { header } = await store.client.put({ key, value: Buffer.from("v") });
  return header!.revision;
}

async function next(stream: WatchStream): Promise<WatchResponse> {
  for await (const response of stream) if (!response.created) return response;
  throw new Error("the watch has ended");
}

// A client that reconnects to a lagging member starts at such a revision.
test("S5: a watch of a revision to come hears of no progress before it", async () => {
  const present = await put();
  const stream = store.client.watch();
  stream.create({ key, startRevision: present + 3, progressNotify: true });
  stream.requestProgress();
  for (let revision = present + 1; revision <= present + 3; revision++) {
    expect(await put()).toBe(revision);
  }
  const first = await next(stream);
  expect(first.header!.revision).toBeGreaterThanOrEqual(present + 2);
  stream.close();
});

test("S5: a wish for progress is answered once the watch can be current", async () => {
  const present = await put();
  const stream = store.client.watch();
  stream.create({ key: Buffer.from("other"), startRevision: present + 3 });
  stream.requestProgress();
  await put();
  const answer = next(stream);
  await put();
  expect((await answer).header!.revision).toBe(present + 2);
  stream.close();
});

test("a wish for progress is answered after the events of a watch of the past", async () => {
  const present = await put();
  const stream = store.client.watch();
  stream.create({ key, startRevision: present });
  stream.requestProgress();
  const lengths: number[] = [];
  for await (const { created, events } of stream) {
    if (!created) lengths.push(events.length);
    if (lengths.length === 2) break;
  }
  expect(lengths).toEqual([1, 0]);
});
