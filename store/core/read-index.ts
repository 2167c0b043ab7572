import { broadcastHeartbeat } from "./append.ts";
import { hasCommittedInTerm } from "./commit.ts";
import { jointVote } from "./joint.ts";
import type { ReadMessage, ReadReplyMessage } from "./message.ts";
import type { Refusal } from "./options.ts";
import type { PendingRead } from "./read-queue.ts";
import { type LeaderState, type RaftState, send } from "./state.ts";
import { type MemberId, NONE } from "./types.ts";

/**
 * ReadIndex (etcd: MsgReadIndex, ReadOnlySafe). Asks for an index at which a read is linearizable
 * (dissertation section 6.4): the leader confirms with a round of heartbeats that it still leads.
 * `readId` names this attempt and must never be used again: an answer to an earlier attempt must
 * not confirm a later one.
 */
export function requestReadIndex(raft: RaftState, readId: number): Refusal | undefined {
  if (raft.role === "leader") return leaderRead(raft, readId, raft.id);
  if (raft.leader === NONE) return "no-leader";
  send(raft, { kind: "read", to: raft.leader, readId });
  return undefined;
}

export function handleReadIndex(raft: RaftState, message: ReadMessage): void {
  // Refused or not leader: the requester's attempt times out and is made again under another id.
  if (raft.role === "leader") leaderRead(raft, message.readId, message.from);
}

export function handleReadIndexReply(raft: RaftState, message: ReadReplyMessage): void {
  raft.readAnswers.push({ readId: message.readId, index: message.index });
}

function leaderRead(raft: LeaderState, readId: number, from: MemberId): Refusal | undefined {
  if (raft.reads.full) return "too-many-reads";
  if (!hasCommittedInTerm(raft)) {
    raft.reads.postpone(readId, from);
    return undefined;
  }
  startRead(raft, readId, from);
  return undefined;
}

/** Starts the reads that waited for the first commit of the term. */
export function startPostponedReads(raft: LeaderState): void {
  for (const { readId, from } of raft.reads.takePostponed()) startRead(raft, readId, from);
}

function startRead(raft: LeaderState, readId: number, from: MemberId): void {
  const index = raft.log.committed;
  // A member that asks in this term had entered no later one when it asked: with two or three
  // voters that is a quorum. It counts for this read alone, as others may have come since.
  const own = new Map([raft.id, from].map((member) => [member, true]));
  if (jointVote(raft.voterSets, own) === "won") return answer(raft, { readId, from, index });
  // The round is numbered here, not by the requester: members' own numbers may be equal.
  const round = ++raft.readRound;
  raft.reads.add({ readId, from, index, acks: new Map([[raft.id, true]]), round });
  broadcastHeartbeat(raft, round);
}

/** A follower has answered the heartbeat of `round`. */
export function confirmRead(raft: LeaderState, round: number, from: MemberId): void {
  const read = raft.reads.round(round);
  if (!read) return;
  read.acks.set(from, true);
  if (jointVote(raft.voterSets, read.acks) !== "won") return;
  for (const confirmed of raft.reads.takeThrough(round)) answer(raft, confirmed);
}

/** The voters have changed: what the answers so far confirm under the new ones is answered. */
export function reviewReads(raft: RaftState): void {
  if (raft.role !== "leader") return;
  const confirmed = raft.reads.lastWhere(({ acks }) => jointVote(raft.voterSets, acks) === "won");
  if (!confirmed) return;
  for (const read of raft.reads.takeThrough(confirmed.round)) answer(raft, read);
}

function answer(raft: RaftState, read: Pick<PendingRead, "readId" | "from" | "index">): void {
  const { readId, from, index } = read;
  if (from === raft.id) raft.readAnswers.push({ readId, index });
  else send(raft, { kind: "read-reply", to: from, readId, index });
}
