import { assert } from "@raft2kube/std/assert.ts";
import { broadcastAppend, broadcastHeartbeat } from "./replication.ts";
import { type RaftState, becomeFollower, quorumIndex, reset } from "./state.ts";
import { answerPostponedReads } from "./read-index.ts";
import { jointVote } from "./quorum.ts";
import { handOver } from "./transfer.ts";
import { type MembershipChange, NONE } from "./types.ts";

const EMPTY = Buffer.alloc(0);

/**
 * Takes office: an empty entry of the new term, whose commitment commits everything before it
 * (Raft section 5.4.2).
 */
export function becomeLeader(raft: RaftState): void {
  assert(raft.role === "candidate", `a ${raft.role} cannot become leader`);
  reset(raft, raft.term);
  raft.role = "leader";
  raft.leader = raft.id;
  const own = raft.progress.get(raft.id);
  if (own) own.becomeReplicate();
  // Changes in the log may not be applied yet: take none before all that is here is.
  raft.pendingChangeIndex = raft.log.lastIndex;
  appendOwn(raft, EMPTY, undefined);
  broadcastAppend(raft);
}

/** Adds an entry of the leader's own; the caller broadcasts. Returns its index. */
export function appendOwn(
  raft: RaftState,
  data: Buffer,
  change: MembershipChange | undefined,
): number {
  assert(raft.role === "leader", `a ${raft.role} does not append`);
  const index = raft.log.lastIndex + 1;
  raft.log.append({ index, term: raft.term, data, change });
  raft.uncommittedBytes += data.length;
  return index;
}

/** Commits what a quorum has, if it is of the leader's own term (Raft section 5.4.2). */
export function advanceCommit(raft: RaftState): boolean {
  const index = quorumIndex(raft);
  if (index <= raft.log.committed || raft.log.term(index) !== raft.term) return false;
  const first = !hasCommittedInTerm(raft);
  raft.log.commitTo(index);
  if (first) answerPostponedReads(raft);
  return true;
}

/** Whether the leader has committed an entry of its own term, and so knows what is committed. */
export function hasCommittedInTerm(raft: RaftState): boolean {
  return raft.log.term(raft.log.committed) === raft.term;
}

/**
 * One tick in office: heartbeats, and stepping down without a quorum (dissertation section 6.2).
 */
export function tickLeader(raft: RaftState): void {
  raft.heartbeatElapsed++;
  raft.electionElapsed++;
  if (raft.electionElapsed >= raft.options.electionTicks) {
    raft.electionElapsed = 0;
    if (!heardFromQuorum(raft)) return becomeFollower(raft, raft.term, NONE);
    raft.transferee = NONE;
    handOver(raft);
  }
  if (raft.heartbeatElapsed >= raft.options.heartbeatTicks) {
    raft.heartbeatElapsed = 0;
    broadcastHeartbeat(raft, raft.reads.lastRound);
  }
}

function heardFromQuorum(raft: RaftState): boolean {
  const heard = new Map([[raft.id, true]]);
  for (const [member, progress] of raft.progress) {
    if (member === raft.id) continue;
    heard.set(member, progress.recentActive);
    progress.recentActive = false;
  }
  return jointVote(raft.voterSets, heard) === "won";
}
