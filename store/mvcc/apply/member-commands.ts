import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type {
  Member,
  MemberPromoteRequest,
  MemberRemoveRequest,
  MemberUpdateRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { LEARNERS_MAX } from "../../limits.ts";
import {
  encodeMember,
  type MemberRecord,
  memberKey,
  removedKey,
} from "../state/cluster/members.ts";
import { header, notePending, type State } from "../state/state.ts";
import type { MemberChanged } from "./responses.ts";

/** Adds a member whose id the proposer has made. Raft's own change goes along in the same entry. */
export function memberAdd(state: State, request: Member): MemberChanged {
  const { ID, peerURLs, isLearner } = request;
  if (state.members.isRemoved(ID)) throw etcdError("memberNotFound");
  if (state.members.get(ID)) throw etcdError("memberExists");
  refuseTakenUrls(state, ID, peerURLs);
  if (isLearner && state.membership.learners.length >= LEARNERS_MAX) {
    throw etcdError("tooManyLearners");
  }
  keep(state, { ID, name: "", peerURLs, clientURLs: [] });
  return { header: header(state) };
}

/** Makes a voter of a learner. */
export function memberPromote(state: State, { ID }: MemberPromoteRequest): MemberChanged {
  existing(state, ID);
  if (!state.membership.learners.includes(ID)) throw etcdError("memberNotLearner");
  return { header: header(state) };
}

/** Removes a member, and remembers its id without end. */
export function memberRemove(state: State, { ID }: MemberRemoveRequest): MemberChanged {
  existing(state, ID);
  const { voters } = state.membership;
  if (voters.length === 1 && voters[0] === ID) throw etcdError("notEnoughStarted");
  state.members.remove(ID);
  notePending(state, memberKey(ID), undefined);
  notePending(state, removedKey(ID), Buffer.from("removed"));
  return { header: header(state) };
}

/** Changes where a member's peers reach it. */
export function memberUpdate(state: State, request: MemberUpdateRequest): MemberChanged {
  const member = existing(state, request.ID);
  refuseTakenUrls(state, request.ID, request.peerURLs);
  keep(state, { ...member, peerURLs: request.peerURLs });
  return { header: header(state) };
}

/** Records the name and the client addresses that a member publishes. */
export function memberPublish(state: State, request: Member): MemberChanged {
  const member = existing(state, request.ID);
  keep(state, { ...member, name: request.name, clientURLs: request.clientURLs });
  return { header: header(state) };
}

function existing(state: State, id: bigint): MemberRecord {
  const member = state.members.get(id);
  if (!member) throw etcdError("memberNotFound");
  return member;
}

function refuseTakenUrls(state: State, id: bigint, urls: string[]): void {
  for (const { ID, peerURLs } of state.members.values()) {
    if (ID === id) continue;
    if (peerURLs.some((url) => urls.includes(url))) throw etcdError("peerUrlExists");
  }
}

function keep(state: State, member: MemberRecord): void {
  state.members.set(member);
  notePending(state, memberKey(member.ID), encodeMember(member));
}
