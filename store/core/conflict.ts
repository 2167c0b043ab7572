import { CodedError } from "@raft2kube/std/errors.ts";
import { jointVote } from "./joint.ts";
import type { RaftLog } from "./log.ts";
import type { AppendMessage, CommitNews } from "./message.ts";
import { type RaftState, send } from "./state.ts";
import type { CommitConflict, MemberId } from "./types.ts";

/** How far this member knows the log to be committed. */
export function commitNews({ log }: RaftState): CommitNews {
  return { commit: log.committed, commitTerm: log.term(log.committed) ?? 0 };
}

/** Whether an entry that is committed elsewhere differs from the one that is committed here. */
export function conflictsWith(log: RaftLog, { commit, commitTerm }: CommitNews): boolean {
  if (commit > log.committed) return false;
  // Compacted entries cannot be compared.
  return (log.term(commit) ?? commitTerm) !== commitTerm;
}

/**
 * Whether an append contradicts what is committed here. Where its sender has committed that too,
 * this member ends. Otherwise the sender is a leader of the past, in a term that others have left
 * without its knowledge: what it has there will not be committed.
 */
export function contradictsCommitted(raft: RaftState, message: AppendMessage): boolean {
  const found = firstConflict(raft.log, message);
  if (found && found.index <= message.commit) {
    endForConflict(raft, { member: message.from, index: found.index, term: found.term });
  }
  return found !== undefined;
}

/**
 * Index of the first entry that contradicts a committed one. Most appends overlap with the
 * committed entries by the one before them alone.
 */
function firstConflict(log: RaftLog, { prevIndex, prevTerm, entries }: AppendMessage) {
  if (conflictsWith(log, { commit: prevIndex, commitTerm: prevTerm })) {
    return { index: prevIndex, term: prevTerm };
  }
  for (const entry of entries) {
    if (entry.index > log.committed) return undefined;
    if (conflictsWith(log, { commit: entry.index, commitTerm: entry.term })) return entry;
  }
  return undefined;
}

/** This member ends, and says why: the other one raises an alarm if it leads. */
export function endForConflict(raft: RaftState, conflict: CommitConflict): void {
  const { member: to, index: commit } = conflict;
  const commitTerm = raft.log.term(commit) ?? 0;
  send(raft, { kind: "heartbeat-reply", to, readId: 0, commit, commitTerm });
  raft.fatal ??= commitConflict(raft.log, conflict);
}

/**
 * Remembers that the sender has committed something else. A leader reports it; a member without one
 * ends when it would stand for election again and is outvoted.
 */
export function noteConflict(raft: RaftState, message: CommitNews & { from: MemberId }): void {
  if (!conflictsWith(raft.log, message)) return;
  const { from: member, commit: index, commitTerm: term } = message;
  if (!raft.conflicts.has(member)) raft.conflicts.set(member, { member, index, term });
}

/**
 * Whether so many members contradict this one that no majority is left to elect it. A single one of
 * them may be the one that is wrong, and the rest only down.
 */
export function isOutvoted({ conflicts, voterSets }: RaftState): boolean {
  const votes = new Map([...conflicts.keys()].map((member) => [member, false]));
  return jointVote(voterSets, votes) === "lost";
}

function commitConflict(log: RaftLog, { member, index, term }: CommitConflict): CodedError {
  const own = `entry ${index} is committed here in the form of term ${log.term(index)}`;
  const other = `member ${member.toString(16)} has committed one of term ${term} there`;
  return new CodedError("COMMIT_CONFLICT", `${own}, and ${other}`, {
    remedy:
      "two majorities decided apart, or a data directory was replaced by another: compare the " +
      "members' data, keep one side, and add the other's members again with empty data directories",
  });
}
