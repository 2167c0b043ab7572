import type { Member, MemberListResponse, ResponseHeader } from "@raft2kube/proto/gen/etcd.ts";
import { header, type State } from "../../mvcc/state/state.ts";
import type { EtcdContext } from "../request/context.ts";

export function memberList(context: EtcdContext): Promise<MemberListResponse> {
  return Promise.resolve({ header: clusterHeader(context), members: membersOf(context.state) });
}

/** Returns all members as etcd lists them. */
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
