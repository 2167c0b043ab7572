import type { PutRequest, RequestOp } from "@raft2kube/proto/gen/etcd.ts";
import type { Command } from "./command.ts";

/** Bytes that etcd adds for a record beside key and value, and for a lease (storage/quota.go). */
const RECORD_OVERHEAD_BYTES = 256;
const LEASE_BYTES = 64;

/** How many bytes a command may add to the backend; 0 for those that need no space. */
export function spaceCost(command: Command): number {
  switch (command.kind) {
    case "put":
      return costOfPut(command.request);
    case "txn": {
      const { success, failure } = command.request;
      return Math.max(costOfAll(success), costOfAll(failure));
    }
    case "lease-grant":
      return LEASE_BYTES;
    default:
      return 0;
  }
}

const costOfPut = ({ key, value }: PutRequest) => RECORD_OVERHEAD_BYTES + key.length + value.length;

/** Puts of nested transactions count too, which etcd forgets. */
function costOfAll(operations: RequestOp[]): number {
  let bytes = 0;
  for (const { requestPut, requestTxn } of operations) {
    if (requestPut) bytes += costOfPut(requestPut);
    if (requestTxn) bytes += spaceCost({ kind: "txn", request: requestTxn });
  }
  return bytes;
}
