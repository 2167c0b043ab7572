import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import { type RequestOp, TxnRequest } from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { TXN_TREE_OPERATIONS_MAX } from "../../limits.ts";
import { checkTxn } from "./check.ts";
import { checkIntervals } from "./intervals.ts";

const OPERATIONS_MAX = 10;

/** A transaction of `count` operations in one branch, `more` among them. */
function txn(count: number, ...more: Init<RequestOp>[]): Init<TxnRequest> {
  const range = { requestRange: { key: Buffer.from("k") } };
  return { success: [...Array.from({ length: count - more.length }, () => range), ...more] };
}

function tooMany(request: Init<TxnRequest>, operations_max = OPERATIONS_MAX): boolean {
  try {
    checkTxn(TxnRequest.decode(TxnRequest.encode(request)), operations_max);
    return false;
  } catch (thrown) {
    if (isEtcdError(thrown, "tooManyOps")) return true;
    throw thrown;
  }
}

test("a transaction has so many operations, and one within it what is left of them", () => {
  expect(tooMany(txn(10))).toBe(false);
  expect(tooMany(txn(11))).toBe(true);
  expect(tooMany(txn(6, { requestTxn: txn(4) }))).toBe(false);
  expect(tooMany(txn(6, { requestTxn: txn(5) }))).toBe(true);
  // Each level takes from those below it alone: two beside each other have the same to spend.
  const twice = [{ requestTxn: txn(4) }, { requestTxn: txn(4) }];
  expect(tooMany(txn(6, ...twice))).toBe(false);
  const third = (count: number) => txn(3, { requestTxn: txn(3, { requestTxn: txn(count) }) });
  expect([tooMany(third(4)), tooMany(third(5))]).toEqual([false, true]);
});

test("comparisons count as operations do", () => {
  const compare = Array.from({ length: 11 }, () => ({ key: Buffer.from("k") }));
  expect(tooMany({ compare })).toBe(true);
  expect(tooMany({ compare: compare.slice(1) })).toBe(false);
});

test("nested transactions beside each other are bounded together", () => {
  // Each branch is within its bound, and their product beyond all.
  const times = <T>(length: number, item: T): T[] => Array.from({ length }, () => item);
  const inner = { requestTxn: txn(3, ...times(3, { requestTxn: txn(4) })) };
  const branch = times(3, inner);
  expect(tooMany({ success: branch, failure: branch })).toBe(false);
  const wide = times(60, { requestPut: { key: Buffer.from("k") } });
  const twice = times(40, { requestTxn: { success: wide, failure: wide } });
  const operations = 40 + 40 * 2 * 60;
  expect(operations).toBeGreaterThan(TXN_TREE_OPERATIONS_MAX);
  expect(tooMany({ success: twice }, 128)).toBe(true);
  // A larger limit holds for each of the two branches, and for comparisons.
  const { success } = txn(5_000);
  const all = { key: Buffer.from("a"), rangeEnd: Buffer.from([0]) };
  expect(tooMany({ compare: times(5_000, all), success, failure: success }, 5_000)).toBe(false);
  // Each comparison may look at every key.
  const comparing = times(60, { requestTxn: { compare: times(68, all) } });
  expect(tooMany({ success: comparing }, 128)).toBe(true);
  expect(tooMany({ success: comparing.slice(1) }, 128)).toBe(false);
});

test("puts are sought among the deletes, not compared with each", () => {
  let looks = 0;
  const counted = (name: string) => {
    const text = { [Symbol.toPrimitive]: () => (looks++, name) };
    return { length: name.length, toString: () => text } as unknown as Buffer;
  };
  const count = 200;
  const numbers = Array.from({ length: count }, (_, i) => `${i}`.padStart(3, "0"));
  const deletes = numbers.map((name) => {
    const requestDeleteRange = { key: counted(`a${name}`), rangeEnd: counted(`a${name}~`) };
    return { requestDeleteRange } as RequestOp;
  });
  const puts = numbers.map((name) => ({ requestPut: { key: counted(`b${name}`) } }) as RequestOp);
  checkIntervals([...deletes, ...puts]);
  expect(looks).toBeLessThan(count ** 2);
});
