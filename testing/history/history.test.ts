import {
  PutRequest,
  RangeRequest,
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
} from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { type KvOperation, kvLinearizable } from "./history.ts";
import type { KvInput } from "./kv-model.ts";

const put = (key: string, value: string, lease = 0n): KvInput => ({
  kind: "put",
  request: { ...PutRequest.create(), key: Buffer.from(key), value: Buffer.from(value), lease },
});
const read = (key: string, revision = 0): KvInput => ({
  kind: "range",
  request: { ...RangeRequest.create(), key: Buffer.from(key), revision },
});
const compact = (revision: number): KvInput => ({
  kind: "compact",
  request: { revision, physical: false },
});
const putIfAbsent = (name: string, value: string): KvInput => {
  const key = Buffer.from(name);
  const absent = { target: Target.VERSION, result: Result.EQUAL, version: 0 };
  const requestPut = { ...PutRequest.create(), key, value: Buffer.from(value) };
  const compare = [{ ...absent, key, rangeEnd: Buffer.alloc(0) }];
  return { kind: "txn", request: { compare, success: [{ requestPut }], failure: [] } };
};

let clock = 0;
/** One call after the other. */
const one = (input: KvInput, output: string): KvOperation => {
  const began = ++clock;
  return { input, output, began, ended: ++clock };
};
/** A call without a received answer that the log has. */
const unheard = (input: KvInput, output: string): KvOperation => ({
  ...one(input, output),
  ended: Infinity,
});

test("known good: writes, reads now and of old, a compaction, a lost answer", () => {
  kvLinearizable([
    one(read("a"), "@1 0: "),
    one(put("a", "x"), "@2 put"),
    one(put("a", "y"), "@3 put"),
    one(read("a"), "@3 1: a=y 2/3/2"),
    one(read("a", 2), "@3 1: a=x 2/2/1"),
    one(read("a", 4), "!futureRevision"),
    unheard(put("b", "z"), "@4 put"),
    one(read("b"), "@4 1: b=z 4/4/1"),
    one(compact(3), "@4 compacted"),
    one(read("a", 2), "!compacted"),
    one(read("a", 3), "@4 1: a=y 2/3/2"),
    one(put("a", "w", 5n), "!leaseNotFound"),
  ]);
});

test("known bad: a read from a deposed leader", () => {
  const stale = [one(put("a", "x"), "@2 put"), one(read("a"), "@1 0: ")];
  expect(() => kvLinearizable(stale)).toThrow("of 2 requests fit an order");
});

test("known bad: two transactions that both found the key absent", () => {
  const both = [
    one(putIfAbsent("a", "x"), "@2 then (put)"),
    one(putIfAbsent("a", "y"), "@3 then (put)"),
  ];
  expect(() => kvLinearizable(both)).toThrow("linearizability");
});

test("known bad: an acknowledged write is lost, or made twice", () => {
  const lost = [one(put("a", "x"), "@2 put"), one(put("b", "y"), "@2 put")];
  expect(() => kvLinearizable(lost)).toThrow("linearizability");
  const twice = [one(put("a", "x"), "@2 put"), one(read("a"), "@3 1: a=x 2/3/2")];
  expect(() => kvLinearizable(twice)).toThrow("linearizability");
});

test("known bad: a compacted revision is answered, with less than there was", () => {
  const partial = [
    one(put("a", "x"), "@2 put"),
    one(put("a", "y"), "@3 put"),
    one(compact(3), "@3 compacted"),
    one(read("a", 2), "@3 0: "),
  ];
  expect(() => kvLinearizable(partial)).toThrow("linearizability");
});

const grant = (id: number, index: number): KvOperation => ({
  ...unheard({ kind: "lease-grant", request: { ID: BigInt(id), TTL: 5 } }, `@1 lease ${id} for 5`),
  index,
});

test("log positions order many calls without answers, without a search", () => {
  const grants = Array.from({ length: 200 }, (_, i) => grant(i + 1, 1_000 - i));
  const { input } = grants[0]!;
  const again = { ...one(input, "!leaseExists"), index: 2_000 };
  kvLinearizable([...grants, again]);
});

test("known bad: a call stands in the log before one that had ended when it began", () => {
  const first = { ...one(put("a", "x"), "@2 put"), index: 9 };
  const second = { ...one(put("b", "y"), "@3 put"), index: 8 };
  expect(() => kvLinearizable([first, second])).toThrow("began after one behind it");
});
