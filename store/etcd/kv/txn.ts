import type { RequestOp, TxnRequest, TxnResponse } from "@raft2kube/proto/gen/etcd.ts";
import { checkTxnAllowed } from "../../auth/authorize.ts";
import type { Caller } from "../../auth/caller.ts";
import { isReadOnly, txn as runTxn } from "../../mvcc/kv/txn.ts";
import { WriteTransaction } from "../../mvcc/kv/write-transaction.ts";
import { readAllowed } from "../request/caller.ts";
import { type EtcdContext, proposeCommand, readBarrier } from "../request/context.ts";
import type { Ending } from "../request/verb.ts";
import { checkTxn } from "./check.ts";

/** KV.Txn. One that only reads does not go through the log. */
export async function txn(
  context: EtcdContext,
  request: TxnRequest,
  { peer = "" }: Partial<Ending> = {},
): Promise<TxnResponse> {
  checkTxn(request, context.transactionOperations_max);
  if (!isReadOnly(request)) return proposeCommand<"txn">(context, { kind: "txn", request });
  if (!isSerializable(request)) await readBarrier(context);
  const { state } = context;
  const allowed = (caller?: Caller) => checkTxnAllowed(state, caller, request);
  const timed = () => {
    const from_ms = context.clock.monotonic();
    const response = runTxn(state, new WriteTransaction(state), request);
    context.metrics.applied("read-only txn", context.clock.monotonic() - from_ms);
    return response;
  };
  return readAllowed(context, allowed, () => context.readTurns.run(peer, timed));
}

/** Whether every read of it is content with this member's own state. */
function isSerializable(request: TxnRequest): boolean {
  const serializable = (operation: RequestOp) => operation.requestRange?.serializable === true;
  return request.success.every(serializable) && request.failure.every(serializable);
}
