import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import { type RequestOp, TxnRequest } from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { checkTxn } from "./check.ts";

const OPERATIONS_MAX = 10;

/** So many operations in one branch, and these besides. */
function txn(count: number, ...more: Init<RequestOp>[]): Init<TxnRequest> {
  const range = { requestRange: { key: Buffer.from("k") } };
  return { success: [...Array.from({ length: count - more.length }, () => range), ...more] };
}

function tooMany(request: Init<TxnRequest>): boolean {
  try {
    checkTxn(TxnRequest.decode(TxnRequest.encode(request)), OPERATIONS_MAX);
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
