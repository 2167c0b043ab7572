import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { RequestOp, ResponseOp, TxnRequest, TxnResponse } from "@raft2kube/proto/gen/etcd.ts";
import { header, innerHeader, type State } from "../state/state.ts";
import { compareHolds } from "./compare.ts";
import { deleteRange } from "./delete-range.ts";
import { checkKept, checkLease, put } from "./put.ts";
import { type RangeSource, range } from "./range.ts";
import type { WriteTransaction } from "./write-transaction.ts";

/**
 * The branch taken at each level: decided for the whole tree before anything is done, as etcd
 * does.
 */
interface Path {
  succeeded: boolean;
  operations: RequestOp[];
  /** Paths of nested transactions, in the order of the operations that are ones. */
  nested: Path[];
}

/** Whether a transaction has no operation that writes, in any branch. */
export function isReadOnly(request: TxnRequest): boolean {
  const readsOnly = (operation: RequestOp): boolean => {
    if (operation.requestPut || operation.requestDeleteRange) return false;
    return operation.requestTxn ? isReadOnly(operation.requestTxn) : true;
  };
  return request.success.every(readsOnly) && request.failure.every(readsOnly);
}

/**
 * Executes a transaction: compare, check everything that may fail, then act. One revision at most
 * (S3).
 */
export function txn(state: State, transaction: WriteTransaction, request: TxnRequest): TxnResponse {
  const path = choosePath(state, transaction, request);
  checkPath(state, transaction, path);
  const response = act(state, transaction, path);
  if (path.operations.length > 1) state.metrics.txns++;
  transaction.commit();
  return { ...response, header: header(state) };
}

/**
 * Chooses the operations to execute: `success` if every compare holds (also if there is none), else
 * `failure`. Each nested transaction among them is chosen the same way, on the state before any
 * write of this one; `nested` has one path for each, in order. Writes nothing.
 */
function choosePath(state: State, source: RangeSource, request: TxnRequest): Path {
  // lab:06 begin choose-path
  const succeeded = request.compare.every((compare) => compareHolds(state, source, compare));
  const operations = succeeded ? request.success : request.failure;
  const nested = operations.flatMap((operation) =>
    operation.requestTxn ? [choosePath(state, source, operation.requestTxn)] : [],
  );
  return { succeeded, operations, nested };
  // lab:06 end
}

/** One after the other: where several would fail, the first says why, as with etcd since 3.6. */
function checkPath(state: State, source: RangeSource, path: Path): void {
  for (const { requestPut, requestRange } of inOrder(path)) {
    if (requestRange) checkRangeInTxn(state, source, requestRange.revision);
    if (!requestPut) continue;
    // The other way round than for a put alone, as etcd.
    checkKept(state, source, requestPut);
    checkLease(state, requestPut);
  }
}

/** The operations that will be executed, with nested transactions unfolded in place. */
function inOrder(path: Path): RequestOp[] {
  const nested = [...path.nested];
  return path.operations.flatMap((operation) =>
    operation.requestTxn ? inOrder(nested.shift()!) : [operation],
  );
}

/** Unlike a range alone, one in a transaction may not ask for a revision far below zero. */
function checkRangeInTxn(state: State, source: RangeSource, revision: number): void {
  if (revision === 0) return;
  if (revision > source.revision) throw etcdError("futureRevision");
  if (revision < state.compactRevision) throw etcdError("compacted");
}

/**
 * Executes a path's operations in order and returns one response for each, in order; a nested
 * transaction's is its own response, from the path in `nested` whose turn it is. The header has
 * revision 0: only the outermost response gets the store's.
 */
function act(state: State, transaction: WriteTransaction, path: Path): TxnResponse {
  // lab:06 begin act
  const nested = [...path.nested];
  const responses = path.operations.map((operation) =>
    operation.requestTxn
      ? { responseTxn: act(state, transaction, nested.shift()!) }
      : actOne(state, transaction, operation),
  );
  // A nested answer's header stays empty, as etcd's; the outermost gets a real one.
  return { header: innerHeader(0), succeeded: path.succeeded, responses };
  // lab:06 end
}

function actOne(state: State, transaction: WriteTransaction, operation: RequestOp): ResponseOp {
  const { requestRange, requestPut, requestDeleteRange } = operation;
  if (requestRange) {
    const result = range(state, transaction, requestRange);
    return { responseRange: { header: innerHeader(transaction.revision), ...result } };
  }
  if (requestPut) {
    const prevKv = put(state, transaction, requestPut);
    return { responsePut: { header: innerHeader(transaction.revision), prevKv } };
  }
  if (requestDeleteRange) {
    const result = deleteRange(state, transaction, requestDeleteRange);
    return { responseDeleteRange: { header: innerHeader(transaction.revision), ...result } };
  }
  throw etcdError("keyNotFound");
}
