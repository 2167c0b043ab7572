import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "@raft2kube/proto/gen/etcd.ts";
import { checkLeaseWrites } from "../../auth/authorize.ts";
import { header } from "../../mvcc/state/state.ts";
import { type EtcdContext, proposeInTerm, readBarrier } from "../request/context.ts";
import { type LeaderVerb, onLeader } from "../request/on-leader.ts";

/**
 * Lease.LeaseKeepAlive, one round: only the leader renews, after making sure that it still is one
 * (S7). A TTL of 0 says that the lease is gone.
 */
export async function leaseKeepAlive(
  context: EtcdContext,
  request: LeaseKeepAliveRequest,
): Promise<LeaseKeepAliveResponse> {
  const { state } = context;
  if (state.auth.enabled) checkLeaseWrites(state, await context.identify(), request.ID);
  const response = await onLeader(context, leaseKeepAliveVerb, request);
  return { ...response, header: header(context.state) };
}

export const leaseKeepAliveVerb: LeaderVerb<LeaseKeepAliveRequest, LeaseKeepAliveResponse> = {
  kind: "lease-keep-alive",
  request: LeaseKeepAliveRequest,
  response: LeaseKeepAliveResponse,
  here: renewHere,
};

async function renewHere(
  context: EtcdContext,
  { ID }: LeaseKeepAliveRequest,
): Promise<LeaseKeepAliveResponse> {
  const { state, replica } = context;
  await readBarrier(context);
  if (!replica.raft.isLeader) throw etcdError("notLeader");
  const lease = state.leases.get(ID);
  if (!lease || state.leaseTimers.expired(ID)) return { header: header(state), ID, TTL: 0 };
  state.leaseTimers.renewed(lease);
  state.metrics.leasesRenewed++;
  // A checkpoint would give the next leader less than this renewal promises: it is taken back by a
  // later entry of the log. In this term only: a next leader has started with the checkpoint
  // already.
  const checkpoint = state.leaseTimers.checkpointOf(ID);
  if (checkpoint > 0 || lease.remaining_s > 0) {
    const request = { checkpoints: [{ ID, remainingTTL: 0 }] };
    await proposeInTerm<"lease-checkpoint">(context, { kind: "lease-checkpoint", request });
    state.leaseTimers.renewalRecorded(ID, checkpoint);
  }
  return { header: header(state), ID, TTL: lease.ttl_s };
}
