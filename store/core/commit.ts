import { jointIndex } from "./joint.ts";
import { answerPostponedReads } from "./read-index.ts";
import type { RaftState } from "./state.ts";

/** The largest index a quorum has on disk. The leader's own entry counts once it is persisted. */
function quorumIndex(raft: RaftState): number {
  // lab:04 begin quorum-index
  return jointIndex(raft.voterSets, (member) =>
    member === raft.id ? raft.log.persisted : (raft.progress.get(member)?.match ?? 0),
  );
  // lab:04 end
}

/**
 * Commits what a quorum has, if it is of the leader's own term (Raft section 5.4.2). Returns
 * whether something new is committed; reads that waited for the term's first commit then go on.
 */
export function advanceCommit(raft: RaftState): boolean {
  // lab:04 begin advance-commit
  const index = quorumIndex(raft);
  if (index <= raft.log.committed || raft.log.term(index) !== raft.term) return false;
  const first = !hasCommittedInTerm(raft);
  raft.log.commitTo(index);
  if (first) answerPostponedReads(raft);
  return true;
  // lab:04 end
}

/** Whether the leader has committed an entry of its own term, and so knows what is committed. */
export function hasCommittedInTerm(raft: RaftState): boolean {
  return raft.log.term(raft.log.committed) === raft.term;
}
