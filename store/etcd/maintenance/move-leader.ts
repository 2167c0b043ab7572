import { EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { MoveLeaderRequest, MoveLeaderResponse } from "@raft2kube/proto/gen/etcd.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { header } from "../../mvcc/state/state.ts";
import type { EtcdContext } from "../request/context.ts";

/** Maintenance.MoveLeader: asked of the leader, answered once the successor leads. */
export async function moveLeader(
  context: EtcdContext,
  { targetID }: MoveLeaderRequest,
): Promise<MoveLeaderResponse> {
  const { replica, state } = context;
  if (!replica.raft.isLeader) throw etcdError("notLeader");
  if (!state.membership.voters.includes(targetID)) throw etcdError("badTransferee");
  replica.transferLeadership(targetID);
  const { raft } = replica;
  const moved = await replica.until(() => raft.state.leader === targetID, replica.request_ms);
  // etcd has no status for this one.
  if (!moved) throw new EtcdError(Status.UNKNOWN, etcdError("transferTimeout").message);
  return { header: header(state) };
}
