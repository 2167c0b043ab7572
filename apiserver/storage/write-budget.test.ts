import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import { describe, expect, onTestFinished, test } from "vitest";
import { type AskOptions, ask } from "../../testing/apiserver/ask.ts";
import { startEtcd } from "../../testing/apiserver/etcd-server.ts";
import { startTestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import {
  EVENT_TTL_S,
  NAMESPACE_LEAST,
  STORE_LOOK_MS,
  STORE_SPACE,
  STORE_WRITES,
} from "../limits.ts";
import { grant } from "../testing/grant.ts";
import { type StoreSize, WriteBudget } from "./write-budget.ts";

const MIB = 1024 * 1024;
const QUOTA_BYTES = 2_048 * MIB;
const ORDINARY_BYTES = QUOTA_BYTES * (1 - STORE_SPACE.reserve);
const [OTHER, NODE, ADMIN]: [Owner, Owner, Owner] = [
  { name: "other" },
  { name: "node n1", may: "reserve" },
  { name: "admin", may: "all" },
];

const sizeOf = (used: number, more: Partial<StoreSize> = {}): StoreSize => ({
  ...{ dbSize: used, dbSizeInUse: used, dbSizeQuota: QUOTA_BYTES, storageVersion: "3.6.0" },
  ...more,
});

/** Writes as much as is taken, of new objects or in the place of others; returns how much. */
function flood(budget: WriteBudget, owner: Owner, isNew: boolean, namespace = ""): number {
  const bytes = 64 * 1024;
  for (let written = 0; ; written += bytes) {
    try {
      budget.take(owner, { length: bytes, before: isNew ? 0 : bytes, namespace });
    } catch (thrown) {
      if (thrown instanceof ApiError && thrown.http === 403) return written;
      expect(thrown).toMatchObject({ http: 429, status: { details: { retryAfterSeconds: 5 } } });
      return written;
    }
  }
}

describe.each([1, 10])("%i users that write as fast as they can", (count) => {
  const writers = Array.from({ length: count }, (_, n): Owner => ({ name: `writer-${n}` }));

  test.each([true, false])("fill no store that gives nothing back: new objects, %s", (isNew) => {
    const budget = new WriteBudget(() => new Map(), new ManualClock());
    let used = 0;
    for (let look = 0; look < 500; look++) {
      budget.looked(sizeOf(used));
      for (const writer of writers) used += flood(budget, writer, isNew);
      if (look < 10) budget.take(OTHER, { length: 64 * 1024, before: 0 });
    }
    expect(used).toBeGreaterThan(0.95 * ORDINARY_BYTES);
    expect(used).toBeLessThan(isNew ? ORDINARY_BYTES : (ORDINARY_BYTES + QUOTA_BYTES) / 2);
  });
});

test("what a node adds is a 32nd of the store, until its events are gone", () => {
  const clock = new ManualClock();
  const budget = new WriteBudget(() => new Map(), clock);
  const addForAnHour = () => {
    let used = 0;
    for (let look = 0; look < 50; look++) {
      budget.looked(sizeOf(0));
      used += flood(budget, NODE, true);
    }
    return used;
  };
  expect(addForAnHour()).toBe(ORDINARY_BYTES * NAMESPACE_LEAST);
  budget.take(NODE, { length: 64 * 1024, before: 64 * 1024 });
  budget.take({ name: "node n2", may: "reserve" }, { length: 64 * 1024, before: 0 });
  clock.advance(EVENT_TTL_S * 1_000);
  expect(addForAnHour()).toBe(ORDINARY_BYTES * NAMESPACE_LEAST);
});

test("a full store takes what nodes write, deletions, and what administrators write", () => {
  const budget = new WriteBudget(() => new Map(), new ManualClock());
  budget.looked(sizeOf(ORDINARY_BYTES));
  expect(flood(budget, OTHER, true)).toBe(0);
  expect(flood(budget, OTHER, false)).toBeGreaterThan(MIB);
  expect(flood(budget, NODE, true)).toBeGreaterThan(MIB);
  // Statuses of a tenant's pods use up what their node may write, and must not stop it.
  const writeOn = () => {
    for (;;) budget.take(NODE, { length: 300, before: 300 });
  };
  expect(writeOn).toThrow("Too many requests");
  budget.take(NODE, { length: 300, before: 300, isNodeLease: true });
  const large = STORE_WRITES.object_bytes + 1;
  expect(() => budget.take(NODE, { length: large, before: large, isNodeLease: true })).toThrow(
    "Too many requests",
  );
  budget.looked(sizeOf((ORDINARY_BYTES + QUOTA_BYTES) / 2));
  budget.take(NODE, { length: 300, before: 300, isNodeLease: true });
  budget.looked(sizeOf(QUOTA_BYTES));
  expect(flood(budget, NODE, false)).toBe(0);
  budget.take(ADMIN, { length: MIB, before: 0 });
});

test("many small objects fill a store for users, as they fill memory: new ones are refused", () => {
  let bytes = 0;
  const budget = new WriteBudget(() => new Map([["", bytes]]), new ManualClock());
  budget.looked(sizeOf(MIB));
  budget.take(OTHER, { length: 100, before: 0 });
  bytes = ORDINARY_BYTES;
  budget.looked(sizeOf(MIB));
  expect(() => budget.take(OTHER, { length: 100, before: 0 })).toThrow("Too many requests");
  budget.take(OTHER, { length: 100, before: 100 });
  budget.take(NODE, { length: 100, before: 0 });
});

test("a namespace has half of what others leave of the store, and a part in any case", () => {
  const stored = new Map<string, number>();
  const budget = new WriteBudget(() => new Map(stored), new ManualClock());
  const used = () => [...stored.values()].reduce((sum, bytes) => sum + bytes, 0);
  /** Adds as much as is taken, by users whom writes alone do not bound. */
  const fill = (namespace: string) => {
    for (let user = 0; user < 500; user++) {
      budget.looked(sizeOf(used()));
      const added = flood(budget, { name: `user-${user}` }, true, namespace);
      stored.set(namespace, (stored.get(namespace) ?? 0) + added);
    }
    return stored.get(namespace)! / ORDINARY_BYTES;
  };
  for (const part of [1 / 2, 1 / 4, 1 / 8]) expect(fill(`team${part}`)).toBeCloseTo(part, 2);
  // A namespace keeps the objects that it has, and adds nothing.
  expect(() => budget.take(OTHER, { length: 2 * MIB, before: MIB, namespace: "team0.5" })).toThrow(
    /^forbidden: objects of namespace team0.5 would have \d+ bytes of the store, its share is \d+: /,
  );
  expect(() => budget.take(OTHER, { length: 100, before: 0, namespace: "team0.5" })).toThrow(
    "forbidden",
  );
  budget.take(OTHER, { length: MIB, before: MIB, namespace: "team0.5" });
  budget.take(OTHER, { length: 200, before: 100, namespace: "team0.5" });
  budget.take(ADMIN, { length: MIB, before: 0, namespace: "team0.5" });
  budget.take(NODE, { length: MIB, before: 0 });
  stored.set("team0.5", ORDINARY_BYTES / 4);
  budget.looked(sizeOf(used()));
  budget.take(OTHER, { length: MIB, before: 0, namespace: "team0.5" });
  stored.clear();
  stored.set("", ORDINARY_BYTES - MIB).set("small", ORDINARY_BYTES * NAMESPACE_LEAST - MIB);
  budget.looked(sizeOf(MIB));
  budget.take(NODE, { length: MIB, before: 0, namespace: "small" });
  expect(() => budget.take(NODE, { length: MIB, before: 0, namespace: "small" })).toThrow(
    "forbidden",
  );
});

test("a store's quota is etcd's default, none, or unknown as before etcd 3.6 and in kine", () => {
  const taken = (size: StoreSize) => {
    const budget = new WriteBudget(() => new Map(), new ManualClock());
    budget.looked(size);
    return flood(budget, OTHER, true);
  };
  const large = 10 * QUOTA_BYTES;
  expect(taken(sizeOf(MIB, { dbSizeQuota: 0 }))).toBe(taken(sizeOf(MIB)));
  expect(taken(sizeOf(large, { dbSizeQuota: 0 }))).toBe(0);
  expect(taken(sizeOf(large, { dbSizeQuota: -1 }))).toBe(
    taken(sizeOf(ORDINARY_BYTES - STORE_SPACE.rest_bytes)),
  );
  const before = { dbSizeQuota: 0, storageVersion: "" };
  expect(taken(sizeOf(large, before))).toBe(taken(sizeOf(ORDINARY_BYTES - STORE_SPACE.rest_bytes)));
  // The part of etcd's file that is free for later writes does not count.
  expect(taken(sizeOf(MIB, { dbSize: QUOTA_BYTES }))).toBe(taken(sizeOf(MIB)));
  expect(taken(sizeOf(QUOTA_BYTES, { dbSizeInUse: 0 }))).toBe(0);
});

/** Starts a server whose store is as large as said, and makes a user of ConfigMaps. */
async function serving(sizeNow: StoreSize) {
  const [etcd, clock] = [await startEtcd(), new ManualClock(Date.now())];
  const status = etcd.client.status.bind(etcd.client);
  etcd.client.status = async () => ({ ...(await status()), ...sizeNow });
  const api = await startTestApiserver(etcd.client, { clock });
  onTestFinished(async () => {
    await api.close();
    await etcd.close();
  });
  const admin = await api.credentials("admin", ["system:masters"]);
  const asked = (path: string, options: AskOptions) => ask(api, path, { ...admin, ...options });
  const server = { api, admin, ask: asked };
  const all = [{ verbs: ["*"], apiGroups: [""], resources: ["configmaps"] }];
  const user = await grant(server, "user", "", all);
  const send = async (as: object, method: string, path: string, body?: object) => {
    const answer = await asked(`/api/v1/namespaces/${path}`, {
      ...as,
      method,
      ...(body && { body }),
    });
    return [answer.status, answer.headers["retry-after"]];
  };
  return { clock, admin, user, send };
}

const mapOf = (name: string, x: string) => ({ metadata: { name }, data: { x } });

test("while the store is full, users' requests add nothing to it, and administrators' do", async () => {
  const { clock, admin, user, send } = await serving(sizeOf(ORDINARY_BYTES));
  const maps = "default/configmaps";
  // The larger one is written in the thread of large requests.
  const sizes = [100_000, 900_000];
  for (const size of sizes) {
    const made = await send(user, "POST", maps, mapOf(`m${size}`, "x".repeat(size)));
    expect(made).toEqual([201, undefined]);
  }
  clock.advance(STORE_LOOK_MS);
  const isRefused = async () => (await send(user, "POST", maps, mapOf("n", "x")))[0] === 429;
  await waitFor("a user's new object to be refused", isRefused);
  for (const size of sizes) {
    const put = (x: string) => send(user, "PUT", `${maps}/m${size}`, mapOf(`m${size}`, x));
    expect(await put("x".repeat(size + 10_000))).toEqual([429, "5"]);
    expect(await put("y".repeat(size))).toEqual([200, undefined]);
    expect(await send(user, "DELETE", `${maps}/m${size}`)).toEqual([200, undefined]);
  }
  expect(await send(admin, "POST", maps, mapOf("a", "x"))).toEqual([201, undefined]);
});

test("a namespace that has half of the store gets no more, and others do", async () => {
  const { clock, admin, user, send } = await serving(sizeOf(MIB, { dbSizeQuota: 8 * MIB }));
  const maps = "default/configmaps";
  const [small, large] = ["x".repeat(50_000), "x".repeat(900_000)];
  for (const [name, x] of Object.entries({ a: small, b: large, c: large, d: large, e: large })) {
    expect(await send(admin, "POST", maps, mapOf(name, x))).toEqual([201, undefined]);
  }
  expect(await send(admin, "POST", "", mapOf("other", ""))).toEqual([201, undefined]);
  /** Waits until a look has counted what is there: no one has listed ConfigMaps. */
  const waitForStatus = (status: number) =>
    waitFor(`a user's new object to be answered with ${status}`, async () => {
      clock.advance(STORE_LOOK_MS);
      return (await send(user, "POST", maps, mapOf(`n${clock.now()}`, "x")))[0] === status;
    });
  await waitForStatus(403);
  const patcher = { ...user, headers: { "content-type": "application/merge-patch+json" } };
  const y = { data: { y: "y".repeat(100) } };
  expect(await send(patcher, "PATCH", `${maps}/a`, y)).toEqual([403, undefined]);
  expect(await send(patcher, "PATCH", `${maps}/b`, y)).toEqual([403, undefined]);
  expect(await send(user, "PUT", `${maps}/a`, mapOf("a", "x"))).toEqual([200, undefined]);
  expect(await send(user, "POST", "other/configmaps", mapOf("n", "x"))).toEqual([201, undefined]);
  expect(await send(admin, "POST", maps, mapOf("f", "x"))).toEqual([201, undefined]);
  expect(await send(user, "DELETE", `${maps}/a`)).toEqual([200, undefined]);
  expect(await send(admin, "DELETE", `${maps}/b`)).toEqual([200, undefined]);
  await waitForStatus(201);
});
