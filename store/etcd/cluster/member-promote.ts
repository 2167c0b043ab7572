import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { MemberPromoteRequest, MemberPromoteResponse } from "@raft2kube/proto/gen/etcd.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { LEARNER_READY_SHARE } from "../../limits.ts";
import { type EtcdContext, proposeCommand } from "../request/context.ts";
import { type LeaderVerb, onLeader } from "../request/on-leader.ts";
import { readyToPromote } from "./member-health.ts";
import { clusterHeader, membersOf } from "./member-list.ts";

/** Cluster.MemberPromote: only the leader knows how far a learner has come. */
export async function memberPromote(
  context: EtcdContext,
  request: MemberPromoteRequest,
): Promise<MemberPromoteResponse> {
  const response = await onLeader(context, memberPromoteVerb, request);
  return { ...response, header: clusterHeader(context) };
}

export const memberPromoteVerb: LeaderVerb<MemberPromoteRequest, MemberPromoteResponse> = {
  kind: "member-promote",
  request: MemberPromoteRequest,
  response: MemberPromoteResponse,
  here: promoteHere,
};

async function promoteHere(
  context: EtcdContext,
  request: MemberPromoteRequest,
): Promise<MemberPromoteResponse> {
  if (!context.replica.raft.isLeader) throw etcdError("notLeader");
  try {
    const response = await promote(context, request);
    context.metrics.promoted();
    return response;
  } catch (thrown) {
    context.metrics.promoted(messageOf(thrown));
    throw thrown;
  }
}

async function promote(
  context: EtcdContext,
  request: MemberPromoteRequest,
): Promise<MemberPromoteResponse> {
  const { raft } = context.replica;
  const progress = raft.leading?.progress.get(request.ID);
  if (!progress) throw etcdError("memberNotFound");
  if (progress.match < raft.state.log.lastIndex * LEARNER_READY_SHARE) {
    throw etcdError("learnerNotReady");
  }
  if (context.strictReconfiguration && !readyToPromote(context)) {
    throw etcdError("notEnoughStarted");
  }
  await proposeCommand<"member-promote">(context, { kind: "member-promote", request });
  return { header: clusterHeader(context), members: membersOf(context.state) };
}
