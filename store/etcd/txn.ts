import type { RequestOp, TxnRequest, TxnResponse } from "@raft2kube/proto/gen/etcd.ts";
import { isReadOnly, txn as runTxn } from "../mvcc/txn.ts";
import { checkTxn } from "./check.ts";
import { type EtcdContext, proposeCommand, readBarrier } from "./context.ts";

/** KV.Txn. One that only reads does not go through the log. */
export async function txn(context: EtcdContext, request: TxnRequest): Promise<TxnResponse> {
  checkTxn(request, context.transactionOperations_max);
  if (!isReadOnly(request)) return proposeCommand<"txn">(context, { kind: "txn", request });
  if (!isSerializable(request)) await readBarrier(context);
  return runTxn(context.state, request);
}

/** Whether every read of it is content with this member's own state. */
function isSerializable(request: TxnRequest): boolean {
  const serializable = (operation: RequestOp) => operation.requestRange?.serializable === true;
  return request.success.every(serializable) && request.failure.every(serializable);
}
