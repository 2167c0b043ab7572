import { assert } from "@raft2kube/std/assert.ts";
import type { SnapshotMessage } from "./message.ts";
import type { Progress } from "./progress.ts";
import {
  adoptMembership,
  type LeaderState,
  type RaftState,
  send,
  sendAfterPersist,
} from "./state.ts";
import type { MemberId, SnapshotMark } from "./types.ts";

/**
 * The leader's part (Raft section 7): its log no longer reaches back to the follower, which needs
 * the state instead. Returns whether it was sent: it is not to a follower that has not answered
 * lately (`recentActive`).
 */
export function sendSnapshot(raft: LeaderState, to: MemberId, progress: Progress): boolean {
  // lab:05 begin send-snapshot
  // A snapshot to a follower that does not answer would be sent in vain.
  if (!progress.recentActive) return false;
  const { snapshotIndex: index, snapshotTerm: term, snapshotMembership: membership } = raft;
  progress.becomeSnapshot(index);
  send(raft, { kind: "snapshot", to, mark: { index, term, membership } });
  return true;
  // lab:05 end
}

/**
 * The follower's answer to a snapshot that its transport has received whole and the state machine
 * has installed at `message.mark`: the log starts over after it. An older one is answered with the
 * commit index.
 */
export function handleSnapshot(raft: RaftState, message: SnapshotMessage): void {
  // lab:05 begin handle-snapshot
  restore(raft, message.mark);
  const index = raft.log.committed;
  const to = message.from;
  sendAfterPersist(raft, {
    kind: "append-reply",
    to,
    index,
    reject: false,
    hintIndex: 0,
    hintTerm: 0,
  });
  // lab:05 end
}

/**
 * Takes the state at `mark` for the log's beginning; one up to the commit index changes nothing.
 * If the log has the mark's entry, with the same term, it stays, and only commits up to it.
 */
function restore(raft: RaftState, mark: SnapshotMark): void {
  // lab:05 begin restore
  if (mark.index <= raft.log.committed) return;
  assert(raft.role === "follower", `a ${raft.role} does not take a snapshot`);
  if (raft.log.term(mark.index) === mark.term) {
    // The log already has it: only the commit index was behind.
    raft.log.commitTo(mark.index);
    return;
  }
  raft.log.restore(mark);
  raft.applied = mark.index;
  raft.restored = mark;
  noteSnapshot(raft, mark);
  adoptMembership(raft, mark.membership);
  // lab:05 end
}

/** The state machine can now give a snapshot at `mark` to followers whose entries are gone. */
export function noteSnapshot(raft: RaftState, mark: SnapshotMark): void {
  raft.snapshotIndex = mark.index;
  raft.snapshotTerm = mark.term;
  raft.snapshotMembership = mark.membership;
}
