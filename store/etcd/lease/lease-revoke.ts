import type { LeaseRevokeRequest, LeaseRevokeResponse } from "@raft2kube/proto/gen/etcd.ts";
import { type EtcdContext, proposeCommand } from "../request/context.ts";

/** Lease.LeaseRevoke: its keys go with it, which the caller must be allowed to delete. */
export async function leaseRevoke(
  context: EtcdContext,
  request: LeaseRevokeRequest,
): Promise<LeaseRevokeResponse> {
  return proposeCommand<"lease-revoke">(context, { kind: "lease-revoke", request });
}
