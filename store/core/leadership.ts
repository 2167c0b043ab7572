import { NO_BYTES } from "@raft2kube/std/bytes.ts";
import { broadcastAppend, broadcastHeartbeat } from "./append.ts";
import { jointVote } from "./joint.ts";
import { becomeFollower, becomeLeader, type CandidateState, type LeaderState } from "./state.ts";
import { handOver } from "./transfer.ts";
import { type MembershipChange, NONE } from "./types.ts";

/**
 * Starts the term of the candidate that won the election: an empty entry of the new term, whose
 * commitment commits everything before it (Raft section 5.4.2).
 */
export function startTerm(raft: CandidateState): void {
  const leader = becomeLeader(raft);
  appendOwn(leader, NO_BYTES, undefined);
  broadcastAppend(leader);
}

/** Adds an entry of the leader's own; the caller broadcasts. Returns its index. */
export function appendOwn(
  raft: LeaderState,
  data: Buffer,
  change: MembershipChange | undefined,
): number {
  const index = raft.log.lastIndex + 1;
  raft.log.append({ index, term: raft.term, data, change });
  raft.uncommittedBytes += data.length;
  return index;
}

/**
 * One tick of a leader. Every `electionTicks` it checks its quorum (dissertation section 6.2):
 * without one it steps down; with one it gives up a transfer that is under way, hands over if it is
 * no voter, and only then starts the next check: a successor is one that has answered. Every
 * `heartbeatTicks` it sends heartbeats, with `raft.reads.lastRound`, since those of a read may be
 * lost.
 */
export function tickLeader(raft: LeaderState): void {
  // lab:03 begin tick-leader
  raft.heartbeatElapsed++;
  raft.electionElapsed++;
  if (raft.electionElapsed >= raft.options.electionTicks) {
    raft.electionElapsed = 0;
    if (!heardFromQuorum(raft)) return becomeFollower(raft, raft.term, NONE);
    raft.transferee = NONE;
    handOver(raft);
    restartQuorumCheck(raft);
  }
  if (raft.heartbeatElapsed >= raft.options.heartbeatTicks) {
    raft.heartbeatElapsed = 0;
    broadcastHeartbeat(raft, raft.reads.lastRound);
  }
  // lab:03 end
}

/** Whether a quorum has answered since the last check. */
function heardFromQuorum(raft: LeaderState): boolean {
  // lab:03 begin heard-from-quorum
  const heard = new Map([[raft.id, true]]);
  for (const [member, { recentActive }] of raft.progress) {
    if (member !== raft.id) heard.set(member, recentActive);
  }
  return jointVote(raft.voterSets, heard) === "won";
  // lab:03 end
}

/** Starts the next check of the quorum: members that answer from now on count. */
function restartQuorumCheck(raft: LeaderState): void {
  for (const progress of raft.progress.values()) progress.recentActive = false;
}
