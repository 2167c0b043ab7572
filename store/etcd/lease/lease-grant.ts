import type { LeaseGrantRequest, LeaseGrantResponse } from "@raft2kube/proto/gen/etcd.ts";
import { leaseTtlMin_s } from "../../node/timing.ts";
import { type EtcdContext, proposeCommand } from "../request/context.ts";

/**
 * Lease.LeaseGrant. The id is chosen here when the client left it open, so that all members agree
 * on it.
 */
export async function leaseGrant(
  context: EtcdContext,
  request: LeaseGrantRequest,
): Promise<LeaseGrantResponse> {
  const ID = request.ID === 0n ? context.newLeaseId() : request.ID;
  // Too short for this member's elections: it would end before a new leader could renew it.
  const TTL = Math.max(request.TTL, leaseTtlMin_s(context.replica.timing));
  const filled = { ...request, ID, TTL };
  return proposeCommand<"lease-grant">(context, { kind: "lease-grant", request: filled });
}
