import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  type DeleteRangeRequest,
  RangeRequest_SortOrder as Order,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  RangeRequest_SortTarget as Target,
  type TxnRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { TXN_TREE_OPERATIONS_MAX } from "../../limits.ts";
import { checkIntervals } from "./intervals.ts";

const ORDERS: ReadonlySet<number> = new Set(Object.values(Order));
const TARGETS: ReadonlySet<number> = new Set(Object.values(Target));

/** Checks a request as etcd does, before it is executed. */
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
  const left = Math.max(TXN_TREE_OPERATIONS_MAX, 3 * operations_max);
  checkTree(request, operations_max, { left });
  for (const branch of [request.success, request.failure]) {
    // One operation alone has nothing to clash with, unless it is a transaction of its own.
    if (branch.length > 1 || branch[0]?.requestTxn) checkIntervals(branch);
  }
}

/** Operations and comparisons that the whole tree may still have. */
type Tree = { left: number };

function checkTree(request: TxnRequest, operations_max: number, tree: Tree): void {
  const { compare, success, failure } = request;
  const operations = Math.max(compare.length, success.length, failure.length);
  tree.left -= compare.length + success.length + failure.length;
  if (operations > operations_max || tree.left < 0) throw etcdError("tooManyOps");
  for (const { key } of compare) if (key.length === 0) throw etcdError("emptyKey");
  const left = operations_max - operations;
  for (const operation of success) checkOperation(operation, left, tree);
  for (const operation of failure) checkOperation(operation, left, tree);
}

function checkOperation(operation: RequestOp, operations_max: number, tree: Tree): void {
  const { requestRange, requestPut, requestDeleteRange, requestTxn } = operation;
  if (requestRange) checkRange(requestRange);
  else if (requestPut) checkPut(requestPut);
  else if (requestDeleteRange) checkDeleteRange(requestDeleteRange);
  else if (requestTxn) checkTree(requestTxn, operations_max, tree);
  else throw etcdError("keyNotFound");
}
