import { jointIndex } from "./joint.ts";
import type { LeaderState, RaftState } from "./state.ts";

/** The largest index a quorum has on disk. The leader's own entry counts once it is persisted. */
function quorumIndex(raft: LeaderState): number {
  // lab:04 begin quorum-index
  return jointIndex(raft.voterSets, (member) =>
    member === raft.id ? raft.log.persisted : (raft.progress.get(member)?.match ?? 0),
  );
  // lab:04 end
}

/** The result of `advanceCommit`: `first` is the first commit of the leader's term. */
export type CommitAdvance = "none" | "first" | "later";

/**
 * Commits what a quorum has, if it is of the leader's own term (Raft section 5.4.2). Sends nothing:
 * what follows from a commit is the caller's.
 */
export function advanceCommit(raft: LeaderState): CommitAdvance {
  // lab:04 begin advance-commit
  const index = quorumIndex(raft);
  if (index <= raft.log.committed || raft.log.term(index) !== raft.term) return "none";
  const first = !hasCommittedInTerm(raft);
  raft.log.commitTo(index);
  return first ? "first" : "later";
  // lab:04 end
}

/** Whether the leader has committed an entry of its own term, and so knows what is committed. */
export function hasCommittedInTerm(raft: RaftState): boolean {
  return raft.log.term(raft.log.committed) === raft.term;
}
