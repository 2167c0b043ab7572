import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type Compare,
  type RequestOp,
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
} from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { bytes, endOf, expectError, freshPrefix, keysOf, shorthand } from "./fixture.ts";
import type { Implementation, Running } from "./implementations.ts";

type Operation = Init<RequestOp>;
type Condition = Init<Compare>;

const put = (key: string, value: string): Operation => ({
  requestPut: { key: bytes(key), value: bytes(value) },
});
const get = (key: string): Operation => ({ requestRange: { key: bytes(key) } });
const remove = (key: string): Operation => ({ requestDeleteRange: { key: bytes(key) } });

/** KV.Txn. */
export function txnRules(running: () => Running, implementation: Implementation): void {
  changeRules(running);
  compareRules(running);
  refusalRules(running, implementation);
}

function changeRules(running: () => Running): void {
  const client = () => running().client;
  const use = () => shorthand(client());

  test("create if absent: the shape that Kubernetes creates with", async () => {
    const key = `${freshPrefix()}k`;
    const absent: Condition = {
      key: bytes(key),
      target: Target.MOD,
      result: Result.EQUAL,
      modRevision: 0,
    };
    const create = { compare: [absent], success: [put(key, "v")], failure: [get(key)] };
    const first = await client().txn(create);
    expect(first.succeeded).toBe(true);
    expect(first.responses[0]!.responsePut).toBeDefined();
    const second = await client().txn(create);
    expect(second.succeeded).toBe(false);
    expect(second.header!.revision).toBe(first.header!.revision);
    const { kvs } = second.responses[0]!.responseRange!;
    expect(kvs[0]).toMatchObject({ value: bytes("v"), modRevision: first.header!.revision });
  });

  test("all changes of a transaction are one revision, and reads in it see them", async () => {
    const prefix = freshPrefix();
    const before = await use().revision();
    const response = await client().txn({
      success: [put(`${prefix}a`, "1"), get(`${prefix}a`), put(`${prefix}b`, "2")],
    });
    expect(response.succeeded).toBe(true);
    expect(response.header!.revision).toBe(before + 1);
    const inside = response.responses[1]!.responseRange!;
    expect(inside.kvs[0]).toMatchObject({ value: bytes("1"), modRevision: before + 1 });
    expect(inside.header!.revision).toBe(before + 1);
    const { kvs } = await use().list(prefix);
    expect(kvs.map(({ modRevision }) => modRevision)).toEqual([before + 1, before + 1]);
  });

  test("one that changes nothing takes no revision", async () => {
    const before = await use().revision();
    const key = `${freshPrefix()}none`;
    const response = await client().txn({ success: [remove(key), get(key)] });
    expect(response.header!.revision).toBe(before);
    expect(response.responses[0]!.responseDeleteRange!.header!.revision).toBe(before);
  });
}

function compareRules(running: () => Running): void {
  const client = () => running().client;
  const use = () => shorthand(client());

  test.each<[string, Condition, boolean]>([
    ["version = 2", { target: Target.VERSION, result: Result.EQUAL, version: 2 }, true],
    ["version > 2", { target: Target.VERSION, result: Result.GREATER, version: 2 }, false],
    ["version < 3", { target: Target.VERSION, result: Result.LESS, version: 3 }, true],
    ["version != 2", { target: Target.VERSION, result: Result.NOT_EQUAL, version: 2 }, false],
    ["value = b", { target: Target.VALUE, result: Result.EQUAL, value: bytes("b") }, true],
    ["value > a", { target: Target.VALUE, result: Result.GREATER, value: bytes("a") }, true],
    ["lease = 0", { target: Target.LEASE, result: Result.EQUAL, lease: 0n }, true],
    ["create > 0", { target: Target.CREATE, result: Result.GREATER, createRevision: 0 }, true],
    ["mod = 1", { target: Target.MOD, result: Result.EQUAL, modRevision: 1 }, false],
  ])("compares %s", async (_name, condition, expected) => {
    const key = `${freshPrefix()}k`;
    await use().put(key, "a");
    await use().put(key, "b");
    const response = await client().txn({ compare: [{ ...condition, key: bytes(key) }] });
    expect(response.succeeded).toBe(expected);
  });

  test("a missing key compares as zeros, but no value comparison holds for it", async () => {
    const key = bytes(`${freshPrefix()}none`);
    const holds = async (condition: Condition) =>
      (await client().txn({ compare: [{ ...condition, key }] })).succeeded;
    expect(await holds({ target: Target.VERSION, result: Result.EQUAL, version: 0 })).toBe(true);
    expect(await holds({ target: Target.CREATE, result: Result.LESS, createRevision: 1 })).toBe(
      true,
    );
    expect(await holds({ target: Target.VALUE, result: Result.NOT_EQUAL, value: bytes("x") })).toBe(
      false,
    );
  });

  test("a condition on a range holds when it holds for each key", async () => {
    const prefix = freshPrefix();
    await use().put(`${prefix}a`);
    await use().put(`${prefix}b`);
    const range = { key: bytes(prefix), rangeEnd: endOf(prefix) };
    const once: Condition = { ...range, target: Target.VERSION, result: Result.EQUAL, version: 1 };
    expect((await client().txn({ compare: [once] })).succeeded).toBe(true);
    await use().put(`${prefix}b`);
    expect((await client().txn({ compare: [once] })).succeeded).toBe(false);
  });

  test("nested transactions decide before anything is done", async () => {
    const prefix = freshPrefix();
    const key = `${prefix}k`;
    await use().put(key, "old");
    const isOld: Condition = {
      key: bytes(key),
      target: Target.VALUE,
      result: Result.EQUAL,
      value: bytes("old"),
    };
    const inner = { compare: [isOld], success: [put(`${prefix}in`, "1")], failure: [] };
    const response = await client().txn({ success: [put(key, "new"), { requestTxn: inner }] });
    expect(response.responses[1]!.responseTxn!.succeeded).toBe(true);
    expect(keysOf(await use().list(prefix))).toEqual([`${prefix}in`, key]);
  });
}

function refusalRules(running: () => Running, implementation: Implementation): void {
  const client = () => running().client;
  const use = () => shorthand(client());

  test("a key written twice is refused", async () => {
    const prefix = freshPrefix();
    const twice = [put(`${prefix}k`, "1"), put(`${prefix}k`, "2")];
    await expectError(client().txn({ success: twice }), "duplicateKey");
    const range = { key: bytes(prefix), rangeEnd: endOf(prefix) };
    const cleared = [{ requestDeleteRange: range }, put(`${prefix}k`, "2")];
    await expectError(client().txn({ success: cleared }), "duplicateKey");
    const nested = { requestTxn: { success: [put(`${prefix}k`, "2")] } };
    await expectError(client().txn({ success: [put(`${prefix}k`, "1"), nested] }), "duplicateKey");
    const deletes = [remove(`${prefix}k`), { requestDeleteRange: range }];
    expect((await client().txn({ success: deletes })).succeeded).toBe(true);
  });

  test("branches that exclude each other may write the same key", async () => {
    const key = `${freshPrefix()}k`;
    const branches = { success: [put(key, "1")], failure: [put(key, "2")] };
    await client().txn({ ...branches });
    await client().txn({ success: [{ requestTxn: branches }] });
    expect(await use().get(key)).toMatchObject({ value: bytes("1"), version: 2 });
  });

  test("129 operations are too many, and an operation must ask for something", async () => {
    const prefix = freshPrefix();
    const many = Array.from({ length: 129 }, (_, i) => put(`${prefix}${i}`, ""));
    await expectError(client().txn({ success: many }), "tooManyOps");
    expect((await client().txn({ success: many.slice(1) })).responses.length).toBe(128);
    await expectError(client().txn({ success: [{}] }), "keyNotFound");
    await expectError(client().txn({ success: [get("")] }), "emptyKey");
  });

  test("what cannot be done is refused whole", async () => {
    const prefix = freshPrefix();
    const before = await use().revision();
    const future = { requestRange: { key: bytes("a"), revision: before + 100 } };
    const first = put(`${prefix}a`, "1");
    await expectError(client().txn({ success: [first, future] }), "futureRevision");
    const missing = { requestPut: { key: bytes(`${prefix}b`), ignoreValue: true } };
    await expectError(client().txn({ success: [first, missing] }), "keyNotFound");
    expect(await use().revision()).toBe(before);
    expect((await use().list(prefix)).count).toBe(0);
  });

  test.runIf(implementation.checksInOrder)("of several errors the first is returned", async () => {
    const future = { requestRange: { key: bytes("a"), revision: 2 ** 40 } };
    const unleased = { requestPut: { key: bytes("a"), lease: 404n } };
    await expectError(client().txn({ success: [future, unleased] }), "futureRevision");
    await expectError(client().txn({ success: [unleased, future] }), "leaseNotFound");
    const nested = { requestTxn: { success: [future] } };
    await expectError(client().txn({ success: [nested, unleased] }), "futureRevision");
  });

  test("a transaction that only reads sees one revision", async () => {
    const prefix = freshPrefix();
    await use().put(`${prefix}a`, "1");
    const response = await client().txn({ success: [get(`${prefix}a`), get(`${prefix}b`)] });
    expect(response.responses.map(({ responseRange }) => responseRange!.count)).toEqual([1, 0]);
  });
}
