import { expect, test } from "vitest";
import { bytes, endOf, expectError, freshPrefix, keysOf, shorthand } from "./fixture.ts";
import type { Running } from "./implementations.ts";

/** KV.Put and KV.DeleteRange. */
export function writeRules(running: () => Running): void {
  putRules(running);
  deleteRules(running);
}

function putRules(running: () => Running): void {
  const client = () => running().client;
  const use = () => shorthand(client());

  test("each put is one revision, and counts the key's version", async () => {
    const key = `${freshPrefix()}k`;
    const first = (await use().put(key, "1")).header!.revision;
    const second = (await use().put(key, "2")).header!.revision;
    expect(second).toBe(first + 1);
    expect(await use().get(key)).toMatchObject({
      createRevision: first,
      modRevision: second,
      version: 2,
      value: bytes("2"),
    });
  });

  test("prev_kv gives the record before, or none", async () => {
    const key = bytes(`${freshPrefix()}k`);
    const first = await client().put({ key, value: bytes("1"), prevKv: true });
    expect(first.prevKv).toBeUndefined();
    const second = await client().put({ key, value: bytes("2"), prevKv: true });
    expect(second.prevKv).toMatchObject({ value: bytes("1"), version: 1 });
  });

  test("ignore_value keeps the value, and needs a key that is there", async () => {
    const key = bytes(`${freshPrefix()}k`);
    await expectError(client().put({ key, ignoreValue: true }), "keyNotFound");
    await client().put({ key, value: bytes("kept") });
    await client().put({ key, ignoreValue: true });
    const { kvs } = await client().range({ key });
    expect(kvs[0]).toMatchObject({ value: bytes("kept"), version: 2 });
    await expectError(client().put({ key, value: bytes("x"), ignoreValue: true }), "valueProvided");
  });

  test("ignore_lease keeps the lease", async () => {
    const key = bytes(`${freshPrefix()}k`);
    const { ID } = await client().leaseGrant({ TTL: 60 });
    await client().put({ key, lease: ID });
    await client().put({ key, value: bytes("new"), ignoreLease: true });
    const { kvs } = await client().range({ key });
    expect(kvs[0]).toMatchObject({ value: bytes("new"), lease: ID });
    await expectError(client().put({ key, lease: ID, ignoreLease: true }), "leaseProvided");
  });

  test("an empty key and an unknown lease are refused", async () => {
    await expectError(client().put({ value: bytes("x") }), "emptyKey");
    await expectError(client().put({ key: bytes("k"), lease: 12345n }), "leaseNotFound");
  });

  test("a request beyond the limit is refused", async () => {
    const key = bytes(`${freshPrefix()}k`);
    const call = client().put({ key, value: Buffer.alloc(1_700_000) });
    await expectError(call, "requestTooLarge");
  });

  test("many puts at once take one revision each", async () => {
    const prefix = freshPrefix();
    const writes = Array.from({ length: 200 }, (_, i) => use().put(`${prefix}${i}`, `${i}`));
    const revisions = (await Promise.all(writes)).map(({ header }) => header!.revision);
    expect(new Set(revisions).size).toBe(200);
    expect((await use().list(prefix, { countOnly: true })).count).toBe(200);
  });
}

function deleteRules(running: () => Running): void {
  const client = () => running().client;
  const use = () => shorthand(client());

  test("a delete of nothing takes no revision", async () => {
    const before = await use().revision();
    const response = await client().deleteRange({ key: bytes(`${freshPrefix()}none`) });
    expect(response).toMatchObject({ deleted: 0, prevKvs: [] });
    expect(response.header!.revision).toBe(before);
  });

  test("a delete of a range is one revision, and gives the records when asked", async () => {
    const prefix = freshPrefix();
    for (const name of ["a", "b", "c"]) await use().put(prefix + name, name);
    const before = await use().revision();
    const key = bytes(prefix);
    const response = await client().deleteRange({ key, rangeEnd: endOf(prefix), prevKv: true });
    expect(response.deleted).toBe(3);
    expect(response.prevKvs.map(({ value }) => value.toString()).join("")).toBe("abc");
    expect(response.header!.revision).toBe(before + 1);
    expect(keysOf(await use().list(prefix))).toEqual([]);
    await expectError(client().deleteRange({}), "emptyKey");
  });
}
