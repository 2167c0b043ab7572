import { EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { MemberAddRequest, MemberAddResponse } from "@raft2kube/proto/gen/etcd.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { memberIdOf } from "../../node/member-ids.ts";
import { type EtcdContext, proposeCommand } from "../request/context.ts";
import { readyToAddVoter, staysConnected } from "./member-health.ts";
import { clusterHeader, memberOf, membersOf } from "./member-list.ts";
import { checkPeerUrls } from "./peer-urls.ts";

/** Cluster.MemberAdd: as a learner, or as a voter when a quorum is sure to outlast it. */
export async function memberAdd(
  context: EtcdContext,
  request: MemberAddRequest,
): Promise<MemberAddResponse> {
  const { peerURLs, isLearner } = request;
  checkPeerUrls(peerURLs);
  if (!context.listensForPeers) {
    const message = "raft2kube: this member listens for no peers: give it --listen-peer-urls";
    throw new EtcdError(Status.FAILED_PRECONDITION, message);
  }
  if (context.strictReconfiguration) {
    if (!isLearner && !readyToAddVoter(context)) throw etcdError("notEnoughStarted");
    if (!staysConnected(context)) throw etcdError("unhealthy");
  }
  // The time goes in, as with etcd: a member removed may come back under the same address.
  const ID = memberIdOf(peerURLs, "", Math.floor(context.clock.now() / 1000));
  const member = { ID, name: "", peerURLs, clientURLs: [], isLearner };
  await proposeCommand<"member-add">(context, { kind: "member-add", request: member });
  return {
    header: clusterHeader(context),
    member: memberOf(context.state, ID) ?? member,
    members: membersOf(context.state),
  };
}
