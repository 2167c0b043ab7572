import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { MemberRemoveRequest, MemberRemoveResponse } from "@raft2kube/proto/gen/etcd.ts";
import { type EtcdContext, proposeCommand } from "../request/context.ts";
import { readyToRemoveVoter, safeToRemove } from "./member-health.ts";
import { clusterHeader, membersOf } from "./member-list.ts";

/** Cluster.MemberRemove: refused where it would cost the quorum. */
export async function memberRemove(
  context: EtcdContext,
  request: MemberRemoveRequest,
): Promise<MemberRemoveResponse> {
  const { ID } = request;
  const { state } = context;
  // As with etcd, an unknown member counts as a voter here, and is unknown only to the log.
  if (context.strictReconfiguration && !state.membership.learners.includes(ID)) {
    if (!readyToRemoveVoter(context, ID)) throw etcdError("notEnoughStarted");
    if (!safeToRemove(context, ID)) throw etcdError("unhealthy");
  }
  await proposeCommand<"member-remove">(context, { kind: "member-remove", request });
  return { header: clusterHeader(context), members: membersOf(state) };
}
