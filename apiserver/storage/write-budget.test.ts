import { ManualClock } from "@raft2kube/std/clock.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import { describe, expect, onTestFinished, test } from "vitest";
import { type AskOptions, ask } from "../../testing/apiserver/ask.ts";
import { startEtcd } from "../../testing/apiserver/etcd-server.ts";
import { startTestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import { STORE_LOOK_MS, STORE_SPACE, STORE_WRITES } from "../limits.ts";
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
function flood(budget: WriteBudget, owner: Owner, isNew: boolean): number {
  const bytes = 64 * 1024;
  for (let written = 0; ; written += bytes) {
    try {
      budget.take(owner, bytes, isNew ? 0 : bytes);
    } catch (thrown) {
      expect(thrown).toMatchObject({ http: 429, status: { details: { retryAfterSeconds: 5 } } });
      return written;
    }
  }
}

describe.each([1, 10])("%i users that write as fast as they can", (count) => {
  const writers = Array.from({ length: count }, (_, n): Owner => ({ name: `writer-${n}` }));

  test.each([true, false])("fill no store that gives nothing back: new objects, %s", (isNew) => {
    const budget = new WriteBudget(() => 0, new ManualClock());
    let used = 0;
    for (let look = 0; look < 500; look++) {
      budget.looked(sizeOf(used));
      for (const writer of writers) used += flood(budget, writer, isNew);
      if (look < 10) budget.take(OTHER, 64 * 1024, 0);
    }
    expect(used).toBeGreaterThan(0.95 * ORDINARY_BYTES);
    expect(used).toBeLessThan(isNew ? ORDINARY_BYTES : (ORDINARY_BYTES + QUOTA_BYTES) / 2);
  });
});

test("a full store takes what nodes write, deletions, and what administrators write", () => {
  const budget = new WriteBudget(() => 0, new ManualClock());
  budget.looked(sizeOf(ORDINARY_BYTES));
  expect(flood(budget, OTHER, true)).toBe(0);
  expect(flood(budget, OTHER, false)).toBeGreaterThan(MIB);
  expect(flood(budget, NODE, true)).toBeGreaterThan(MIB);
  budget.looked(sizeOf(QUOTA_BYTES));
  expect(flood(budget, NODE, false)).toBe(0);
  budget.take(ADMIN, MIB, 0);
});

test("many small objects fill a store for users, as they fill memory: new ones are refused", () => {
  let objects = 1_000;
  const budget = new WriteBudget(() => objects, new ManualClock());
  budget.looked(sizeOf(MIB));
  budget.take(OTHER, 100, 0);
  objects = ORDINARY_BYTES / STORE_WRITES.object_bytes;
  budget.looked(sizeOf(MIB));
  expect(() => budget.take(OTHER, 100, 0)).toThrow("Too many requests");
  budget.take(OTHER, 100, 100);
  budget.take(NODE, 100, 0);
});

test("a store's quota is etcd's default, none, or unknown as before etcd 3.6 and in kine", () => {
  const taken = (size: StoreSize) => {
    const budget = new WriteBudget(() => 0, new ManualClock());
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

test("while the store is full, users' requests add nothing to it, and administrators' do", async () => {
  const [etcd, clock] = [await startEtcd(), new ManualClock(Date.now())];
  const status = etcd.client.status.bind(etcd.client);
  etcd.client.status = async () => ({ ...(await status()), ...sizeOf(ORDINARY_BYTES) });
  const api = await startTestApiserver(etcd.client, { clock });
  onTestFinished(async () => {
    await api.close();
    await etcd.close();
  });
  const admin = await api.credentials("admin", ["system:masters"]);
  const asked = (path: string, options: AskOptions) => ask(api, path, { ...admin, ...options });
  const server = { api, admin, ask: asked };
  const all = [{ verbs: ["*"], apiGroups: [""], resources: ["configmaps"] }];
  const user = await grant(server, "user", "default", all);
  const maps = "/api/v1/namespaces/default/configmaps";
  const mapOf = (name: string, x: string) => ({ metadata: { name }, data: { x } });
  const send = async (as: object, method: string, path: string, body?: object) => {
    const { status, headers } = await asked(`${maps}${path}`, {
      ...as,
      method,
      ...(body && { body }),
    });
    return [status, headers["retry-after"]];
  };
  // The larger one is written in the thread of large requests.
  const sizes = [100_000, 900_000];
  for (const size of sizes) {
    const made = await send(user, "POST", "", mapOf(`m${size}`, "x".repeat(size)));
    expect(made).toEqual([201, undefined]);
  }
  clock.advance(STORE_LOOK_MS);
  const isRefused = async () => (await send(user, "POST", "", mapOf("n", "x")))[0] === 429;
  await waitFor("a user's new object to be refused", isRefused);
  for (const size of sizes) {
    const put = (x: string) => send(user, "PUT", `/m${size}`, mapOf(`m${size}`, x));
    expect(await put("x".repeat(size + 10_000))).toEqual([429, "5"]);
    expect(await put("y".repeat(size))).toEqual([200, undefined]);
    expect(await send(user, "DELETE", `/m${size}`)).toEqual([200, undefined]);
  }
  expect(await send(admin, "POST", "", mapOf("a", "x"))).toEqual([201, undefined]);
});
