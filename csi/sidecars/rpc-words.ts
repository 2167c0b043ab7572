import { RpcError } from "@raft2kube/rpc/error.ts";
import { messageOf } from "@raft2kube/std/errors.ts";

/** What failed in a driver's own words, as upstream's sidecars print them into events. */
export function wordsOf(thrown: unknown): string {
  const words = messageOf(thrown);
  return thrown instanceof RpcError ? `rpc error: code = ${thrown.code} desc = ${words}` : words;
}
