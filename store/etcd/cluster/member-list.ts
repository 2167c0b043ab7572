import type {
  Member,
  MemberListRequest,
  MemberListResponse,
  ResponseHeader,
} from "@raft2kube/proto/gen/etcd.ts";
import { type State, header } from "../../mvcc/state.ts";
import { requireUser } from "../request/caller.ts";
import { type EtcdContext, readBarrier } from "../request/context.ts";

/** Cluster.MemberList. */
export async function memberList(
  context: EtcdContext,
  request: MemberListRequest,
): Promise<MemberListResponse> {
  if (request.linearizable) await readBarrier(context);
  await requireUser(context);
  return { header: clusterHeader(context), members: membersOf(context.state) };
}

/** All members as etcd tells of them. */
export function membersOf(state: State): Member[] {
  return state.members.values().map((member) => memberOf(state, member.ID)!);
}

export function memberOf(state: State, id: bigint): Member | undefined {
  const member = state.members.get(id);
  return member && { ...member, isLearner: state.membership.learners.includes(id) };
}

/** The header of the Cluster service's answers: without a revision, as etcd's. */
export function clusterHeader({ state }: EtcdContext): ResponseHeader {
  return { ...header(state), revision: 0 };
}
