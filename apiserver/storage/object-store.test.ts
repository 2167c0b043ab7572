import { encodeObject } from "@raft2kube/api/codec/envelope.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { kindOf } from "@raft2kube/api/kinds.ts";
import { customKinds } from "@raft2kube/apiextensions/custom-kinds.ts";
import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import * as store from "@raft2kube/store/main.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as members from "../../testing/store/members.ts";
import { waitFor } from "../../testing/wait.ts";
import { entryOf } from "../cache/entry-of-row.ts";
import { STORE_BUDGETED_PAGE_KEYS, STORE_FIRST_PAGE_KEYS } from "../limits.ts";
import { listFromStore } from "../registry/list.ts";
import type { ListOptions } from "../registry/list-options.ts";
import { selectionOf } from "../registry/selection.ts";
import { StorePages } from "../registry/store-pages.ts";
import { Resource } from "../resource/resource.ts";
import { type StoreUnderTest, storesUnderTest } from "../testing/stores.ts";
import { ObjectStore } from "./object-store.ts";

const clock = systemClock();
const kind = kindOf("", "v1", "ConfigMap")!;

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

const LIST: ListOptions = {
  match: { type: "newest" },
  limit: 0,
  continue: "",
  labelSelector: "",
  fieldSelector: "",
};

function map(name: string, data: Record<string, string> = {}): ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "test" }, data };
}

const stores = Object.entries(storesUnderTest({ ...store, ...members, connectEtcd }));

const pagesOf = (hold: (bytes: number) => void) =>
  new StorePages((bytes) => {
    hold(bytes);
    return () => undefined;
  });

describe.each(stores)("objects in %s", (_name, start) => {
  let under: StoreUnderTest;
  let resource: Resource;
  const everything = selectionOf(kind, "test", LIST);

  beforeAll(async () => {
    under = await start();
    resource = new Resource(kind, under.client, clock);
  });
  afterAll(async () => {
    await resource.close();
    await under.close();
  });

  it("an object comes back as it was written, with the store's revision", async () => {
    const made = await resource.store.create(map("written", { a: "1" }));
    const read = await resource.store.get<ConfigMap>("test", "written");
    expect(read).toEqual(made);
    expect(Number(read.metadata.resourceVersion)).toBeGreaterThan(0);
  });

  it("a write that changes nothing answers what is stored, also in another version", async () => {
    const version = (name: string, known: string) => ({
      name,
      served: true,
      storage: name === "v2",
      schema: { openAPIV3Schema: { type: "object", properties: { [known]: { type: "string" } } } },
    });
    const versions = [version("v1", "old"), version("v2", "now")];
    const names = { plural: "gates", kind: "Gate" };
    const spec = { group: "answers.test", scope: "Namespaced", names, versions };
    const status = { conditions: [], acceptedNames: names, storedVersions: ["v2"] };
    const metadata = { name: "gates.answers.test", uid: "1" };
    const [gates] = customKinds({ metadata, spec, status });
    const store = new ObjectStore(gates!, under.client, { group: "answers.test", name: "gates" });
    const gate = { apiVersion: "answers.test/v1", kind: "Gate", metadata: map("gate").metadata };
    gate.metadata.generation = 1;
    const made = await store.create(gate);
    const { object } = await store.change("test", "gate", (current) => ({
      do: "write",
      object: { ...current!, old: "x" },
    }));
    expect(object).toEqual(made);
  });

  it("a name is taken once", async () => {
    await resource.store.create(map("once"));
    await expect(resource.store.create(map("once"))).rejects.toMatchObject({
      http: 409,
      code: "AlreadyExists",
    });
  });

  it("concurrent changes all happen, each on the one before, and each counts once", async () => {
    await resource.store.create(map("counter", { n: "0" }));
    let counted = 0;
    const countWrite = () => void counted++;
    const plusOne = (current: ConfigMap | undefined) => {
      const n = Number(current!.data!["n"]) + 1;
      return { do: "write", object: { ...current!, data: { n: String(n) } } } as const;
    };
    const increment = () => resource.store.change("test", "counter", plusOne, { countWrite });
    await Promise.all(Array.from({ length: 8 }, increment));
    const { data } = await resource.store.get<ConfigMap>("test", "counter");
    expect(data).toEqual({ n: "8" });
    expect(counted).toBe(8);
  });

  it("a change that changes nothing keeps the revision", async () => {
    const made = await resource.store.create(map("same", { a: "1" }));
    const { object } = await resource.store.change<ConfigMap>("test", "same", (current) => ({
      do: "write",
      object: current!,
    }));
    expect(object.metadata.resourceVersion).toBe(made.metadata.resourceVersion);
  });

  it("a change made on a cached that is behind is made again on what is there", async () => {
    const made = await resource.store.create(map("guessed", { n: "1" }));
    const key = "/registry/configmaps/test/guessed";
    const cached = entryOf(kind, { ...made }, key, Number(made.metadata.resourceVersion));
    await resource.store.change<ConfigMap>("test", "guessed", (current) => ({
      do: "write",
      object: { ...current!, data: { n: "2" } },
    }));
    const seen: unknown[] = [];
    const plusOne = (current: ConfigMap | undefined) => {
      seen.push(current?.data?.["n"]);
      const n = Number(current!.data!["n"]) + 1;
      return { do: "write", object: { ...current!, data: { n: String(n) } } } as const;
    };
    const { object } = await resource.store.change("test", "guessed", plusOne, { cached });
    expect(object.data).toEqual({ n: "3" });
    expect(seen).toEqual(["1", "2"]);
  });

  it("what a cached makes look done, or refused, is asked of the store", async () => {
    const made = await resource.store.create(map("done", { n: "1" }));
    const key = "/registry/configmaps/test/done";
    const cached = entryOf(kind, { ...made }, key, Number(made.metadata.resourceVersion));
    const set = (n: string) => (current: ConfigMap | undefined) => {
      if (current?.data?.["n"] === "refused") throw new Error("refused");
      return { do: "write", object: { ...current!, data: { n } } } as const;
    };
    const same = await resource.store.change("test", "done", set("1"), { cached });
    expect(same.object.metadata.resourceVersion).toBe(made.metadata.resourceVersion);
    await resource.store.change("test", "done", set("2"));
    const again = await resource.store.change("test", "done", set("1"), { cached });
    expect(Number(again.object.metadata.resourceVersion)).toBeGreaterThan(cached.revision);
    const wrong = entryOf(kind, map("done", { n: "refused" }), key, cached.revision);
    const change = resource.store.change("test", "done", set("3"), { cached: wrong });
    await expect(change).resolves.toMatchObject({ object: { data: { n: "3" } } });
  });

  it("a rewrite that changes nothing turns upstream's protobuf into JSON, once", async () => {
    const own = new Resource(kind, under.client, clock);
    const key = Buffer.from("/registry/configmaps/test/migrated");
    await under.client.put({ key, value: encodeObject(kind.schema, map("migrated", { a: "1" })) });
    const cache = await own.cache();
    const cached = cache.get(key.toString());
    const same = (current: ConfigMap | undefined) => ({ do: "write", object: current! }) as const;
    const first = await own.store.change<ConfigMap>("test", "migrated", same, { cached });
    expect(Number(first.object.metadata.resourceVersion)).toBeGreaterThan(cached!.revision);
    const { kvs } = await under.client.range({ key });
    expect(JSON.parse(kvs[0]!.value.toString("utf8"))).toMatchObject({ data: { a: "1" } });
    const second = await own.store.change<ConfigMap>("test", "migrated", same);
    expect(second.object.metadata).toEqual(first.object.metadata);
    await own.close();
  });

  it("what was just written comes back from the cache as the store has it", async () => {
    const cache = await resource.cache();
    const made = await resource.store.create(map("recent", { a: "1" }));
    const key = "/registry/configmaps/test/recent";
    const body = resource.store.recent.bodyOf(made);
    await waitFor("the cache", () => cache.get(key));
    const fetched = await resource.store.get<ConfigMap>("test", "recent");
    expect(JSON.parse(body!.toString("utf8"))).toEqual(fetched);
    expect(cache.get(key)!.object()).toEqual(fetched);
    const older = { ...made, metadata: { ...made.metadata, resourceVersion: "1" } };
    expect(resource.store.recent.bodyOf(older)).toBeUndefined();
  });

  it("a deleted object is gone, and its deletion has a revision", async () => {
    const made = await resource.store.create(map("gone"));
    const { object, deleted } = await resource.store.change<ConfigMap>(
      "test",
      "gone",
      (current) => ({ do: "delete", object: current! }),
    );
    expect(deleted).toBe(true);
    expect(Number(object.metadata.resourceVersion)).toBeGreaterThan(
      Number(made.metadata.resourceVersion),
    );
    expect(await resource.store.find("test", "gone")).toBeUndefined();
  });

  it("pages of a list add up to the whole at one revision, whatever is written", async () => {
    const paged = new Resource(kindOf("", "v1", "Secret")!, under.client, clock);
    for (let i = 0; i < 7; i++) {
      const object = { ...map(`p${i}`), kind: "Secret" };
      await paged.store.create(object);
    }
    const selection = selectionOf(paged.kind, "test", LIST);
    const first = await listFromStore(paged, "test", selection, { ...LIST, limit: 3 });
    expect(first.entries.map((entry) => entry.name)).toEqual(["p0", "p1", "p2"]);
    expect(first.remaining).toBe(4);
    await paged.store.create({ ...map("p2b"), kind: "Secret" });
    const rest = await listFromStore(paged, "test", selection, {
      ...LIST,
      continue: first.continue!,
    });
    expect(rest.entries.map((entry) => entry.name)).toEqual(["p3", "p4", "p5", "p6"]);
    expect(rest.revision).toBe(first.revision);
  });

  it("a list counts each page that it reads, and stops where it may read no more", async () => {
    const paged = new Resource(kindOf("apps", "v1", "ControllerRevision")!, under.client, clock);
    for (let i = 0; i < STORE_FIRST_PAGE_KEYS + 2; i++) {
      await paged.store.create({ ...map(`r${i}`), kind: "ControllerRevision" });
    }
    const selection = selectionOf(paged.kind, "test", LIST);
    const pages: number[] = [];
    const list = (hold: (bytes: number) => void) =>
      listFromStore(paged, "test", selection, { ...LIST, pages: pagesOf(hold) });
    const { entries } = await list((bytes) => pages.push(bytes));
    expect([entries.length, pages.length]).toEqual([STORE_FIRST_PAGE_KEYS + 2, 2]);
    expect(pages[0]).toBeGreaterThan(pages[1]!);
    const refuse = () => {
      throw tooMany();
    };
    await expect(list(refuse)).rejects.toMatchObject({ http: 429 });
  });

  it("a page after small objects has few keys, as large ones may follow", () => {
    const pages = pagesOf(() => undefined);
    const value = Buffer.alloc(1024);
    const rows = Array.from({ length: 16 }, () => ({ key: "k", value, revision: 1 }));
    pages.add({ rows, revision: 1, more: true, count: 516 });
    expect(pages.keysOf(500)).toBe(STORE_BUDGETED_PAGE_KEYS);
  });

  it("a list at a compacted revision is refused, and can go on inconsistently", async () => {
    const { revision } = await listFromStore(resource, "test", everything, LIST);
    const cut = await listFromStore(resource, "test", everything, { ...LIST, limit: 1 });
    await resource.store.create(map("zz-after-cut"));
    const now = await resource.store.rows.revision();
    await under.client.compact({ revision: now });
    const exact: ListOptions = { ...LIST, match: { type: "exact", revision } };
    await expect(listFromStore(resource, "test", everything, exact)).rejects.toMatchObject({
      http: 410,
      code: "Expired",
    });
    const error: unknown = await listFromStore(resource, "test", everything, {
      ...LIST,
      continue: cut.continue!,
    }).catch((thrown: unknown) => thrown);
    const next = (error as { status: { metadata: { continue: string } } }).status.metadata.continue;
    const rest = await listFromStore(resource, "test", everything, { ...LIST, continue: next });
    expect(rest.entries.map((entry) => entry.name)).toContain("zz-after-cut");
  });

  it("the cache follows the store, in order", async () => {
    const cache = await resource.cache();
    const seen: string[] = [];
    const stop = cache.subscribe((event) => {
      if (event.entry.name.startsWith("fed")) seen.push(`${event.type} ${event.entry.name}`);
    });
    await resource.store.create(map("fed", { a: "1" }));
    await resource.store.change<ConfigMap>("test", "fed", (current) => ({
      do: "write",
      object: { ...current!, data: { a: "2" } },
    }));
    await resource.store.change<ConfigMap>("test", "fed", (current) => ({
      do: "delete",
      object: current!,
    }));
    await waitFor("three events", () => seen.length === 3);
    expect(seen).toEqual(["ADDED fed", "MODIFIED fed", "DELETED fed"]);
    stop();
  });
});
