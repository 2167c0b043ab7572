import type { MemberListRequest, MemberListResponse } from "@raft2kube/proto/gen/etcd.ts";
import { everyMember } from "../core/membership.ts";
import { header } from "../mvcc/state.ts";
import { type EtcdContext, readBarrier } from "./context.ts";

/** Cluster.MemberList. */
export async function memberList(
  context: EtcdContext,
  request: MemberListRequest,
): Promise<MemberListResponse> {
  if (request.linearizable) await readBarrier(context);
  const { state, member } = context;
  const { learners } = state.membership;
  const members = everyMember(state.membership).map((ID) => {
    const known = ID === state.identity.memberId ? member : UNKNOWN;
    const { name, peerURLs, clientURLs } = known;
    return { ID, name, peerURLs, clientURLs: clientURLs(), isLearner: learners.includes(ID) };
  });
  return { header: header(state), members };
}

const UNKNOWN = { name: "", peerURLs: [], clientURLs: () => [] };
