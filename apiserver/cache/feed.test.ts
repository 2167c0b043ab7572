import { kindOf } from "@raft2kube/api/kinds.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type EtcdServer, startEtcd } from "../../testing/apiserver/etcd-server.ts";
import { inWords, listen } from "../../testing/apiserver/watch-words.ts";
import { waitFor } from "../../testing/wait.ts";
import { Resource } from "../resource/resource.ts";
import { Rows } from "../storage/rows.ts";
import { EVERYTHING } from "./selection.ts";

const clock = systemClock();
const kind = kindOf("", "v1", "ConfigMap")!;
const REQUEST = { selection: EVERYTHING, bookmarks: false, encoder: inWords };

let etcd: EtcdServer;
let resource: Resource;

beforeAll(async () => {
  etcd = await startEtcd();
  resource = new Resource(kind, etcd.client, clock);
});
afterAll(async () => {
  await resource.close();
  await etcd.close();
});

const create = (name: string) =>
  resource.store.create({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "test" },
  });

it("goes on where it was when the store comes back: nothing twice, nothing missed", async () => {
  const cache = await resource.cache();
  const seen: string[] = [];
  cache.subscribe((event) => seen.push(`${event.type} ${event.entry.name}`));
  const { lines } = listen(cache.watchFrom(REQUEST, cache.revision));
  await create("before");
  await waitFor("the first", () => seen.length === 1);
  await etcd.crash();
  await create("after");
  await waitFor("the second", () => seen.length === 2);
  expect(seen).toEqual(["ADDED before", "ADDED after"]);
  await waitFor("both", () => lines.length === 2);
  expect(lines.map((line) => line.split(" ")[1])).toEqual(["before", "after"]);
});

it("lists again when the store no longer has the history it missed", async () => {
  const cache = await resource.cache();
  const before = cache.revision;
  // An event under another prefix moves the store's revision, not the cache's.
  await etcd.client.put({ key: Buffer.from("/other"), value: Buffer.from("x") });
  await etcd.client.put({ key: Buffer.from("/other"), value: Buffer.from("y") });
  const { header } = await etcd.client.range({ key: Buffer.from("/other") });
  await etcd.client.compact({ revision: header!.revision });
  await etcd.crash();
  await create("late");
  await waitFor("the late one", () => cache.get("/registry/configmaps/test/late"));
  expect(() => cache.watchFrom(REQUEST, before)).toThrow(/too old resource version/);
});

it("begins where its first watcher listed, so that nothing since then is missed", async () => {
  const later = new Resource(kind, etcd.client, clock);
  const { revision } = await new Rows(etcd.client).get("/other");
  await create("between");
  const cache = await later.cache(revision);
  const { lines } = listen(cache.watchFrom(REQUEST, revision));
  await waitFor("the first", () => lines.length === 1);
  expect(lines[0]).toMatch(/^ADDED between /);
  await later.close();
});

it.each([
  ["compacted", 1],
  ["in the future", 1_000_000],
])("begins with the newest state when that revision is %s", async (_, revision) => {
  const later = new Resource(kind, etcd.client, clock);
  const cache = await later.cache(revision);
  expect(cache.get("/registry/configmaps/test/between")).toBeDefined();
  await later.close();
});

it("an object that does not decode is not in the cache, as not in a list", async () => {
  const key = "/registry/configmaps/test/broken";
  await create("broken");
  const cache = await resource.cache();
  await waitFor("the object", () => cache.get(key));
  const { value } = (await resource.store.rows.get(key)).row!;
  await etcd.client.put({ key: Buffer.from(key), value: Buffer.from("{ no JSON") });
  await waitFor("its end", () => cache.get(key) === undefined);
  const other = new Resource(kind, etcd.client, clock);
  expect((await other.cache()).list().map(({ name }) => name)).not.toContain("broken");
  await other.close();
  await etcd.client.put({ key: Buffer.from(key), value });
  await waitFor("the object again", () => cache.get(key));
});

it("whoever waits for the first list of a resource that is closed gets 503", async () => {
  const later = new Resource(kind, etcd.client, clock);
  const cache = later.cache();
  const refused = expect(cache).rejects.toMatchObject({ status: { code: 503 } });
  await later.close();
  await refused;
});

it("a cache that cannot be whole is not called so between its attempts", async () => {
  const says: string[] = [];
  const convert = async () => {
    says.push(
      await later.cache().then(
        () => "whole",
        () => "broken",
      ),
    );
    throw new ApiError({ code: 500, reason: "", message: "no conversion" });
  };
  const later = new Resource({ ...kind, version: "v2", convert }, etcd.client, clock);
  const prefix = "/registry/configmaps/test/";
  for (const { key, revision } of (await later.store.rows.page(prefix, { limit: 100 })).rows) {
    await later.store.rows.remove(key, revision);
  }
  await later.cache();
  await create("unconvertible");
  await waitFor("three attempts", () => says.length >= 3);
  expect(says.slice(0, 3)).toEqual(["whole", "broken", "broken"]);
  await later.close();
});
