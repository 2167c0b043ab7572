import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { KeyValue, PutRequest } from "@raft2kube/proto/gen/etcd.ts";
import type { State } from "../state/state.ts";
import type { RangeSource } from "./range.ts";
import type { WriteTransaction } from "./write-transaction.ts";

/** The record of one key as `source` sees it. */
export function readKey(state: State, source: RangeSource, key: string): KeyValue | undefined {
  const point = state.index.get(key, source.revision);
  return point && source.read(point.main, point.sub);
}

/** Refuses a put on a lease that is not there. */
export function checkLease(state: State, { lease }: PutRequest): void {
  if (lease !== 0n && !state.leases.get(lease)) throw etcdError("leaseNotFound");
}

/** Refuses a put that keeps the value or lease of a key that is not there. */
export function checkKept(state: State, source: RangeSource, request: PutRequest): void {
  if (!request.ignoreValue && !request.ignoreLease) return;
  const key = request.key.toString("latin1");
  if (!state.index.get(key, source.revision)) throw etcdError("keyNotFound");
}

/** Writes a key; returns the record before, when it was asked for. */
export function put(
  state: State,
  transaction: WriteTransaction,
  request: PutRequest,
): KeyValue | undefined {
  const key = request.key.toString("latin1");
  const { prevKv, ignoreValue, ignoreLease } = request;
  const needsOld = prevKv || ignoreValue || ignoreLease;
  const old = needsOld ? readKey(state, transaction, key) : undefined;
  const value = ignoreValue && old ? old.value : request.value;
  const lease = ignoreLease && old ? old.lease : request.lease;
  transaction.put(key, value, lease);
  state.metrics.puts++;
  state.metrics.putBytes += key.length + value.length;
  return prevKv ? old : undefined;
}
