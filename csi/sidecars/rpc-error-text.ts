import { goCodeName, RpcError } from "@raft2kube/rpc/error.ts";
import { messageOf } from "@raft2kube/std/errors.ts";

/** Returns the driver's error as upstream's sidecars print it into events. */
export function rpcErrorText(thrown: unknown): string {
  const message = messageOf(thrown);
  if (!(thrown instanceof RpcError)) return message;
  return `rpc error: code = ${goCodeName(thrown)} desc = ${message}`;
}
