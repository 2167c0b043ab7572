import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import {
  RangeRequest_SortOrder as Order,
  RangeRequest_SortTarget as Target,
} from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { bytes, endOf, expectError, freshPrefix, keysOf, shorthand } from "./fixture.ts";
import type { Implementation, Running } from "./implementations.ts";

/** Five keys a..e, whose values, versions and revisions each sort differently. */
async function five(client: EtcdClient) {
  const prefix = freshPrefix();
  const { put } = shorthand(client);
  for (const [key, value] of [
    ["c", "1"],
    ["a", "5"],
    ["e", "3"],
    ["b", "2"],
    ["d", "4"],
  ]) {
    await put(prefix + key, value);
  }
  for (let i = 0; i < 3; i++) await put(`${prefix}b`, "2");
  await put(`${prefix}c`, "1");
  const names = (keys: string[]) => keys.map((key) => key.slice(prefix.length)).join("");
  return { prefix, names };
}

/** KV.Range. */
export function rangeRules(running: () => Running, implementation: Implementation): void {
  basicRules(running);
  sortRules(running, implementation);
  revisionRules(running);
  keyRules(running);
}

function basicRules(running: () => Running): void {
  const client = () => running().client;
  const use = () => shorthand(client());

  test("a key that is not there gives nothing, with the current revision", async () => {
    const response = await client().range({ key: bytes("none") });
    expect(response).toMatchObject({ kvs: [], count: 0, more: false });
    expect(response.header!.revision).toBeGreaterThan(0);
    expect(response.header!.clusterId).not.toBe(0n);
    expect(response.header!.memberId).not.toBe(0n);
    expect(response.header!.raftTerm).toBeGreaterThan(0);
  });

  test("an empty key is refused", async () => {
    await expectError(client().range({}), "emptyKey");
  });

  test("a prefix is listed in order of keys, with all fields", async () => {
    const { prefix, names } = await five(client());
    const response = await use().list(prefix);
    expect(names(keysOf(response))).toBe("abcde");
    expect(response).toMatchObject({ count: 5, more: false });
    const b = response.kvs[1]!;
    expect(b).toMatchObject({ version: 4, value: bytes("2"), lease: 0n });
    expect(b.modRevision).toBeGreaterThan(b.createRevision);
  });

  test("a limit cuts, says that there is more, and counts everything", async () => {
    const { prefix, names } = await five(client());
    const response = await use().list(prefix, { limit: 2 });
    expect(names(keysOf(response))).toBe("ab");
    expect(response).toMatchObject({ count: 5, more: true });
    expect(await use().list(prefix, { limit: 5 })).toMatchObject({ count: 5, more: false });
  });

  test("count_only and keys_only leave out what they say", async () => {
    const { prefix } = await five(client());
    const counted = await use().list(prefix, { countOnly: true, limit: 2 });
    expect(counted).toMatchObject({ kvs: [], count: 5, more: false });
    const keys = await use().list(prefix, { keysOnly: true });
    expect(keys.kvs.map(({ value }) => value.length)).toEqual([0, 0, 0, 0, 0]);
    expect(keys.kvs[1]!.version).toBe(4);
  });
}

function sortRules(running: () => Running, implementation: Implementation): void {
  const client = () => running().client;
  const use = () => shorthand(client());

  test.each([
    ["key", Target.KEY, Order.DESCEND, "edcba"],
    ["value", Target.VALUE, Order.ASCEND, "cbeda"],
    ["value", Target.VALUE, Order.DESCEND, "adebc"],
    ["create revision", Target.CREATE, Order.ASCEND, "caebd"],
    ["mod revision", Target.MOD, Order.DESCEND, "cbdea"],
  ])("sorts by %s", async (_name, sortTarget, sortOrder, expected) => {
    const { prefix, names } = await five(client());
    expect(names(keysOf(await use().list(prefix, { sortTarget, sortOrder })))).toBe(expected);
    const limited = await use().list(prefix, { sortTarget, sortOrder, limit: 3 });
    expect(names(keysOf(limited))).toBe(expected.slice(0, 3));
    expect(limited).toMatchObject({ count: 5, more: true });
  });

  test("a target without an order sorts what the limit lets through and one more", async () => {
    const { prefix, names } = await five(client());
    const unordered = { sortTarget: Target.CREATE, sortOrder: Order.NONE };
    expect(names(keysOf(await use().list(prefix, unordered)))).toBe("caebd");
    const limited = await use().list(prefix, { ...unordered, limit: 3 });
    expect(names(keysOf(limited))).toBe("cab");
    expect(limited).toMatchObject({ count: 5, more: true });
  });

  test("sorts by version, the greatest first", async () => {
    const { prefix, names } = await five(client());
    const sorted = await use().list(prefix, {
      sortTarget: Target.VERSION,
      sortOrder: Order.DESCEND,
      limit: 2,
    });
    expect(names(keysOf(sorted))).toBe("bc");
  });

  test.runIf(implementation.refusesSortOptions)("unknown sort options are refused", async () => {
    await expectError(client().range({ key: bytes("a"), sortOrder: 7 }), "invalidSortOption");
    await expectError(client().range({ key: bytes("a"), sortTarget: 9 }), "invalidSortOption");
  });

  test("filters by mod and create revision, and still counts everything", async () => {
    const { prefix, names } = await five(client());
    const all = await use().list(prefix);
    const [, b, , d] = all.kvs;
    const mod = await use().list(prefix, { minModRevision: b!.modRevision });
    expect(names(keysOf(mod))).toBe("bc");
    expect(mod.count).toBe(5);
    const maxMod = await use().list(prefix, { maxModRevision: d!.modRevision });
    expect(names(keysOf(maxMod))).toBe("ade");
    const created = await use().list(prefix, {
      minCreateRevision: b!.createRevision,
      maxCreateRevision: d!.createRevision,
    });
    expect(names(keysOf(created))).toBe("bd");
  });
}

function revisionRules(running: () => Running): void {
  const client = () => running().client;
  const use = () => shorthand(client());

  test("a revision in the past shows what was then", async () => {
    const prefix = freshPrefix();
    const { put, get, remove, list } = use();
    const first = (await put(`${prefix}k`, "one")).header!.revision;
    await put(`${prefix}k`, "two");
    await remove(`${prefix}k`);
    const again = (await put(`${prefix}k`, "three")).header!.revision;
    expect(await get(`${prefix}k`, first)).toMatchObject({ value: bytes("one"), version: 1 });
    expect(await get(`${prefix}k`, first + 1)).toMatchObject({ value: bytes("two"), version: 2 });
    expect(await get(`${prefix}k`, first + 2)).toBeUndefined();
    expect(await get(`${prefix}k`)).toMatchObject({ createRevision: again, version: 1 });
    expect((await list(prefix, { revision: first - 1 })).count).toBe(0);
  });

  test("a revision to come is refused", async () => {
    const revision = (await use().revision()) + 1_000;
    await expectError(client().range({ key: bytes("a"), revision }), "futureRevision");
  });
}

function keyRules(running: () => Running): void {
  const client = () => running().client;
  const use = () => shorthand(client());

  test("the end \\0 means everything from the key on", async () => {
    const prefix = `\xff${freshPrefix()}`;
    await use().put(`${prefix}a`);
    await use().put(`${prefix}b`);
    const response = await client().range({ key: bytes(prefix), rangeEnd: Buffer.from([0]) });
    expect(keysOf(response)).toEqual([`${prefix}a`, `${prefix}b`]);
    await client().deleteRange({ key: bytes(prefix), rangeEnd: endOf(prefix) });
  });

  test("an end before the key gives nothing", async () => {
    const prefix = freshPrefix();
    await use().put(`${prefix}b`);
    const backwards = { key: bytes(`${prefix}c`), rangeEnd: bytes(`${prefix}a`) };
    expect(await client().range(backwards)).toMatchObject({ kvs: [], count: 0 });
  });

  test("keys and values are any bytes", async () => {
    const prefix = freshPrefix();
    const key = Buffer.concat([bytes(prefix), Buffer.from([0, 255, 128, 10])]);
    const value = Buffer.from([0, 1, 2, 254, 255]);
    await client().put({ key, value });
    const response = await client().range({ key });
    expect(response.kvs[0]).toMatchObject({ key, value });
  });

  test("a serializable read answers too", async () => {
    const prefix = freshPrefix();
    await use().put(`${prefix}k`, "v");
    const response = await client().range({ key: bytes(`${prefix}k`), serializable: true });
    expect(response.count).toBe(1);
  });

  test("a long range comes whole and in order", async () => {
    const prefix = freshPrefix();
    const names = Array.from({ length: 2_500 }, (_, i) => `${prefix}${String(i).padStart(5, "0")}`);
    await Promise.all(names.map((name) => use().put(name, "x".repeat(50))));
    const response = await use().list(prefix);
    expect(keysOf(response)).toEqual(names);
  });
}
