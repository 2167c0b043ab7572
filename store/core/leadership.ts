import { assert } from "@raft2kube/std/assert.ts";
import { jointVote } from "./joint.ts";
import { broadcastAppend, broadcastHeartbeat } from "./replication.ts";
import { type RaftState, becomeFollower, forgetConflict, reset } from "./state.ts";
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
  forgetConflict(raft);
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

/**
 * One tick in office: heartbeats, and stepping down without a quorum (dissertation section 6.2).
 */
export function tickLeader(raft: RaftState): void {
  // lab:03 begin tick-leader
  raft.heartbeatElapsed++;
  raft.electionElapsed++;
  if (raft.electionElapsed >= raft.options.electionTicks) {
    raft.electionElapsed = 0;
    if (!heardFromQuorum(raft)) return becomeFollower(raft, raft.term, NONE);
    raft.transferee = NONE;
    handOver(raft);
    countAnew(raft);
  }
  if (raft.heartbeatElapsed >= raft.options.heartbeatTicks) {
    raft.heartbeatElapsed = 0;
    broadcastHeartbeat(raft, raft.reads.lastRound);
  }
  // lab:03 end
}

/** Whether a quorum has answered since it was last counted anew. */
function heardFromQuorum(raft: RaftState): boolean {
  // lab:03 begin heard-from-quorum
  const heard = new Map([[raft.id, true]]);
  for (const [member, { recentActive }] of raft.progress) {
    if (member !== raft.id) heard.set(member, recentActive);
  }
  return jointVote(raft.voterSets, heard) === "won";
  // lab:03 end
}

/** Whoever answers from now on is heard. */
function countAnew(raft: RaftState): void {
  for (const progress of raft.progress.values()) progress.recentActive = false;
}
