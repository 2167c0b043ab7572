import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type {
  LeaseCheckpointRequest,
  LeaseCheckpointResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { LEASE_TTL_S_MAX, LEASE_TTL_S_MIN } from "../../limits.ts";
import type { WriteTransaction } from "../kv/write-transaction.ts";
import { type Lease, leaseKey, StoredLease } from "../state/lease/lease.ts";
import { header, notePending, type State } from "../state/state.ts";

/** Makes a lease; the proposer has chosen an id where the client had not. */
export function leaseGrant(state: State, request: LeaseGrantRequest): LeaseGrantResponse {
  const { ID, TTL } = request;
  if (ID === 0n) throw etcdError("leaseNotFound");
  if (TTL > LEASE_TTL_S_MAX) throw etcdError("leaseTTLTooLarge");
  if (state.leases.get(ID)) throw etcdError("leaseExists");
  const lease = state.leases.add(ID, Math.max(TTL, LEASE_TTL_S_MIN));
  noteLease(state, lease);
  state.leaseTimers.started(lease);
  state.metrics.leasesGranted++;
  state.metrics.leaseTtls_s.observe(lease.ttl_s);
  return { header: header(state), ID, TTL: lease.ttl_s, error: "" };
}

/** Ends a lease and deletes its keys, in order, in one revision. */
export function leaseRevoke(
  state: State,
  transaction: WriteTransaction,
  request: LeaseRevokeRequest,
): LeaseRevokeResponse {
  const lease = state.leases.get(request.ID);
  if (!lease) throw etcdError("leaseNotFound");
  for (const key of [...lease.keys].sort()) {
    transaction.delete({ from: key, to: key, single: true });
  }
  state.leases.remove(lease.id);
  state.leaseTimers.ended(lease.id);
  state.metrics.leasesRevoked++;
  notePending(state, leaseKey(lease.id), undefined);
  transaction.commit();
  return { header: header(state) };
}

/** Records how much is left of leases, so that a new leader does not start them over. */
export function leaseCheckpoint(
  state: State,
  request: LeaseCheckpointRequest,
): LeaseCheckpointResponse {
  for (const { ID, remainingTTL } of request.checkpoints) {
    const lease = state.leases.get(ID);
    if (!lease) continue;
    lease.remaining_s = remainingTTL;
    noteLease(state, lease);
  }
  return { header: header(state) };
}

function noteLease(state: State, lease: Lease): void {
  const { id: ID, ttl_s: TTL, remaining_s: RemainingTTL } = lease;
  notePending(state, leaseKey(ID), StoredLease.encode({ ID, TTL, RemainingTTL }));
}
