import { CodedError } from "@raft2kube/std/errors.ts";
import { jointVote } from "./joint.ts";
import type { RaftLog } from "./log.ts";
import type {
  AppendMessage,
  CommitNews,
  Message,
  SnapshotMessage,
  VoteMessage,
} from "./message.ts";
import { type RaftState, send } from "./state.ts";
import type { CommitConflict, MemberId } from "./types.ts";

/** How far this member knows the log to be committed. */
export function commitNews({ log }: RaftState): CommitNews {
  return { commit: log.committed, commitTerm: log.term(log.committed) ?? 0 };
}

/**
 * Whether a message is not handled, as it contradicts what is committed here. An answer is handled
 * regardless; that it contradicts is remembered.
 */
export function contradictsCommitted(raft: RaftState, message: Message): boolean {
  switch (message.kind) {
    case "append":
      return appendContradicts(raft, message);
    case "snapshot":
      return snapshotContradicts(raft, message);
    case "vote":
      return refusesVote(raft, message);
    case "heartbeat-reply":
      if (raft.role === "leader") noteConflict(raft, message);
      return false;
    case "vote-reply":
      noteConflict(raft, message);
      return false;
    default:
      return false;
  }
}

/** Whether an entry that is committed elsewhere differs from the one that is committed here. */
function conflictsWith(log: RaftLog, { commit, commitTerm }: CommitNews): boolean {
  if (commit > log.committed) return false;
  // Compacted entries cannot be compared.
  return (log.term(commit) ?? commitTerm) !== commitTerm;
}

/**
 * Where an append's sender has committed the entry that differs, this member ends. Otherwise the
 * sender is a leader of the past, in a term that others have left without its knowledge: what it
 * has there will not be committed.
 */
function appendContradicts(raft: RaftState, message: AppendMessage): boolean {
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

/** A snapshot holds only what its sender has committed. */
function snapshotContradicts(raft: RaftState, { from, mark }: SnapshotMessage): boolean {
  const { index, term } = mark;
  if (!conflictsWith(raft.log, { commit: index, commitTerm: term })) return false;
  endForConflict(raft, { member: from, index, term });
  return true;
}

/** The answer names our entry in the place of the candidate's, which learns so that they differ. */
function refusesVote(raft: RaftState, message: VoteMessage): boolean {
  if (!conflictsWith(raft.log, message)) return false;
  const { from: to, pre, commit } = message;
  if (raft.role === "leader") noteConflict(raft, message);
  const commitTerm = raft.log.term(commit) ?? 0;
  send(raft, { kind: "vote-reply", to, pre, granted: false, commit, commitTerm });
  return true;
}

/** This member ends, and says why: the other one raises an alarm if it leads. */
export function endForConflict(raft: RaftState, conflict: CommitConflict): void {
  const { member: to, index: commit } = conflict;
  const commitTerm = raft.log.term(commit) ?? 0;
  send(raft, { kind: "heartbeat-reply", to, readId: 0, commit, commitTerm });
  raft.fatal ??= commitConflict(raft.log, conflict);
}

/**
 * Remembers that the sender has committed something else. A leader reports it of its members; a
 * member without one ends when it would stand for election again and is outvoted.
 */
function noteConflict(raft: RaftState, message: CommitNews & { from: MemberId }): void {
  if (raft.role === "leader" && !raft.progress.has(message.from)) return;
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
