import type { KubeObject } from "@raft2kube/api/kind.ts";
import { kindOf } from "@raft2kube/api/kinds.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import * as store from "@raft2kube/store/main.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inWords, listen } from "../../testing/apiserver/watch-words.ts";
import * as members from "../../testing/store/members.ts";
import { waitFor } from "../../testing/wait.ts";
import type { WatchItem } from "../cache/event.ts";
import { EVERYTHING } from "../cache/selection.ts";
import { ANSWER_STALL_MS } from "../limits.ts";
import { Resource } from "../resource/resource.ts";
import { ProgressProof } from "../storage/progress-proof.ts";
import { type StoreUnderTest, storesUnderTest } from "../testing/stores.ts";
import { listingOf, listObjects } from "./list.ts";
import type { ListOptions } from "./list-options.ts";
import { StorePages } from "./store-pages.ts";
import { watchObjects } from "./watch.ts";

const clock = systemClock();
const random = seededRandom(1);

const NEWEST: ListOptions = {
  match: { type: "newest" },
  limit: 0,
  continue: "",
  labelSelector: "",
  fieldSelector: "",
};

const stores = Object.entries(storesUnderTest({ ...store, ...members, connectEtcd }));

describe.each(stores)("on %s", (name, start) => {
  let under: StoreUnderTest;
  let writer: Resource;
  let reader: Resource;

  beforeAll(async () => {
    under = await start();
    const make = () => new Resource(kindOf("", "v1", "ConfigMap")!, under.client, clock);
    writer = make();
    reader = make();
  });
  afterAll(async () => {
    await writer.close();
    await reader.close();
    await under.close();
  });

  const create = (map: string) =>
    writer.store.create<KubeObject>({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: map, namespace: "test" },
    });

  it("a watch can follow the very first list", async () => {
    await create("before");
    const { revision } = await listObjects(reader, "test", NEWEST);
    const cache = await reader.cache();
    const request = { selection: EVERYTHING, bookmarks: false, encoder: inWords };
    expect(() => cache.watchFrom(request, revision).close()).not.toThrow();
  });

  it("a list without a revision shows what another server has just written", async () => {
    for (let index = 0; index < 30; index++) {
      const { metadata } = await create(`map-${index}`);
      const list = await listObjects(reader, "test", NEWEST);
      expect(list.items).toHaveLength(index + 2);
      expect(list.revision).toBeGreaterThanOrEqual(Number(metadata.resourceVersion));
    }
  });

  it("a list compares objects with its selectors in slices, and finds what it found before", async () => {
    const options = { ...NEWEST, match: { type: "any" } as const, labelSelector: "slow" };
    const plain = await listingOf(reader, "test", EVERYTHING, { ...options, labelSelector: "" });
    let turns = 0;
    const matches = () => {
      const until_ms = clock.monotonic() + 2;
      while (clock.monotonic() < until_ms);
      return true;
    };
    const timer = setInterval(() => turns++, 1);
    const selection = { ...EVERYTHING, prefix: "/registry/configmaps/test/", matches };
    const { entries } = await listingOf(reader, "test", selection, options);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(1);
    expect(entries.length).toBe(plain.entries.length);
    const paged = {
      ...options,
      match: { type: "exact", revision: plain.revision } as const,
      limit: 2,
    };
    const page = await listingOf(reader, "test", selection, paged);
    expect(page).toMatchObject({ entries: entries.slice(0, 2), continue: expect.any(String) });
  });

  it("the cache answers where the store can prove that nothing is missing in it", async () => {
    expect((await reader.freshCache()) !== undefined).toBe(name !== "etcd");
  });

  it("what a watch begins with counts while it is read from the store, until it is sent", async () => {
    const proof = Object.assign(new ProgressProof(under.client), { holds: async () => false });
    const stale = new Resource(reader.kind, under.client, clock, { proof });
    let held = 0;
    const hold = (bytes: number) => {
      held += bytes;
      return () => void (held = 0);
    };
    const padding = Buffer.alloc(200_000, " ");
    const inSize = {
      ...inWords,
      encode: (item: WatchItem) => Buffer.concat([padding, inWords.encode(item)]),
    };
    const manual = new ManualClock();
    const server = { closing: new AbortController().signal, clock: manual, random };
    const large = { apiVersion: "v1", kind: "ConfigMap", data: { text: "x".repeat(200_000) } };
    for (const name of ["a", "b"]) {
      await stale.store.create({ ...large, metadata: { name, namespace: "large" } });
    }
    const watch = async () => {
      const options = {
        ...{ labelSelector: "", fieldSelector: "", timeout_s: undefined, bookmarks: true },
        ...{ revision: undefined, sendInitialEvents: true, pages: new StorePages(hold) },
      };
      const answer = await watchObjects(server, stale, "large", options, inSize);
      return (answer as Extract<typeof answer, { type: "watch" }>).watcher;
    };
    const read = await watch();
    expect(held).toBeGreaterThan(0);
    const first = listen(read);
    const ended = () => /BOOKMARK \d+ end$/.test(first.lines.at(-1) ?? "");
    // The turn after the last object's may be the one that finds no more.
    await waitFor("the end of what it begins with", () => ended() && held === 0);
    const unread = listen(await watch(), true);
    for (let look = 0; look < 2; look++) manual.advance(ANSWER_STALL_MS);
    expect([first.ended, unread.ended]).toEqual([undefined, { whole: false }]);
    await stale.close();
  });

  it("the entries of two lists share the cache's memory", async () => {
    const list = () => listingOf(reader, "test", EVERYTHING, { ...NEWEST, match: { type: "any" } });
    const [first, second] = [await list(), await list()];
    expect(first.entries[0]!.body).toBe(second.entries[0]!.body);
  });

  it("pages are of one revision, and go on in the store where the cache left off", async () => {
    const first = await listObjects(reader, "test", { ...NEWEST, limit: 10 });
    await create("zzz");
    const options = { ...NEWEST, continue: first.continue! };
    const rest = await listObjects(reader, "test", options);
    expect(first.items.length + rest.items.length).toBe(31);
    expect(first.remaining).toBe(21);
    expect(rest.revision).toBe(first.revision);
  });

  it("a later page is of the first one's state, until the store is compacted", async () => {
    const { continue: token = "" } = await listObjects(reader, "test", { ...NEWEST, limit: 10 });
    await create("zzzz");
    const cache = await reader.cache();
    const revision = await reader.store.rows.revision();
    await under.client.compact({ revision });
    const options = { ...NEWEST, continue: token };
    await waitFor("the newest", () => cache.get("/registry/configmaps/test/zzzz"));
    // An etcd that cannot prove that a cache is fresh made the token: its revision may be ahead.
    if (name !== "etcd") {
      const listed = await listObjects(reader, "test", options);
      expect(listed.items).toHaveLength(22);
    }
    cache.compactedTo(revision);
    const refused: unknown = await listObjects(reader, "test", options).catch((thrown) => thrown);
    expect(refused).toMatchObject({ http: 410, code: "Expired" });
    const { status } = refused as { status: { metadata: { continue: string } } };
    const next = { ...NEWEST, continue: status.metadata.continue };
    expect((await listObjects(reader, "test", next)).items).toHaveLength(23);
  });
});
