import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import {
  RangeRequest_SortOrder as Order,
  RangeRequest_SortTarget as Target,
} from "@raft2kube/proto/gen/etcd.ts";
import { checkIntervals } from "./intervals.ts";

const ORDERS: ReadonlySet<number> = new Set(Object.values(Order));
const TARGETS: ReadonlySet<number> = new Set(Object.values(Target));

/** What etcd refuses before a request goes any further. */
export function checkRange(request: RangeRequest): void {
  if (request.key.length === 0) throw etcdError("emptyKey");
  if (!ORDERS.has(request.sortOrder) || !TARGETS.has(request.sortTarget)) {
    throw etcdError("invalidSortOption");
  }
}

export function checkPut(request: PutRequest): void {
  if (request.key.length === 0) throw etcdError("emptyKey");
  if (request.ignoreValue && request.value.length > 0) throw etcdError("valueProvided");
  if (request.ignoreLease && request.lease !== 0n) throw etcdError("leaseProvided");
}

export function checkDeleteRange(request: DeleteRangeRequest): void {
  if (request.key.length === 0) throw etcdError("emptyKey");
}

/** A transaction: the number of operations, each operation, and keys written twice. */
export function checkTxn(request: TxnRequest, operations_max: number): void {
  checkTree(request, operations_max);
  for (const branch of [request.success, request.failure]) {
    // One operation alone has nothing to clash with, unless it is a transaction of its own.
    if (branch.length > 1 || branch[0]?.requestTxn) checkIntervals(branch);
  }
}

function checkTree(request: TxnRequest, operations_max: number): void {
  const { compare, success, failure } = request;
  const operations = Math.max(compare.length, success.length, failure.length);
  if (operations > operations_max) throw etcdError("tooManyOps");
  for (const { key } of compare) if (key.length === 0) throw etcdError("emptyKey");
  for (const operation of success) checkOperation(operation, operations_max - operations);
  for (const operation of failure) checkOperation(operation, operations_max - operations);
}

function checkOperation(operation: RequestOp, operations_max: number): void {
  const { requestRange, requestPut, requestDeleteRange, requestTxn } = operation;
  if (requestRange) checkRange(requestRange);
  else if (requestPut) checkPut(requestPut);
  else if (requestDeleteRange) checkDeleteRange(requestDeleteRange);
  else if (requestTxn) checkTree(requestTxn, operations_max);
  else throw etcdError("keyNotFound");
}
