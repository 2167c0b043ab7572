import type { MemberUpdateRequest, MemberUpdateResponse } from "@raft2kube/proto/gen/etcd.ts";
import { type EtcdContext, proposeCommand } from "../request/context.ts";
import { clusterHeader, membersOf } from "./member-list.ts";
import { checkPeerUrls } from "./peer-urls.ts";

/** Cluster.MemberUpdate: where a member's peers reach it. */
export async function memberUpdate(
  context: EtcdContext,
  request: MemberUpdateRequest,
): Promise<MemberUpdateResponse> {
  checkPeerUrls(request.peerURLs);
  await proposeCommand<"member-update">(context, { kind: "member-update", request });
  return { header: clusterHeader(context), members: membersOf(context.state) };
}
