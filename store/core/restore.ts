import { assert } from "@raft2kube/std/assert.ts";
import type { SnapshotMessage } from "./message.ts";
import { switchMembership } from "./reconfigure.ts";
import { type RaftState, sendAfterPersist } from "./state.ts";
import type { SnapshotMark } from "./types.ts";

/**
 * The follower's answer to a snapshot that its transport has received whole and the state machine
 * has installed at `message.mark`: the log begins anew behind it. An older one is answered with
 * what is committed.
 */
export function handleSnapshot(raft: RaftState, message: SnapshotMessage): void {
  const restored = restore(raft, message.mark);
  const index = restored ? raft.log.lastIndex : raft.log.committed;
  const to = message.from;
  sendAfterPersist(raft, {
    kind: "append-reply",
    to,
    index,
    reject: false,
    hintIndex: 0,
    hintTerm: 0,
  });
}

function restore(raft: RaftState, mark: SnapshotMark): boolean {
  if (mark.index <= raft.log.committed) return false;
  assert(raft.role === "follower", `a ${raft.role} does not take a snapshot`);
  if (raft.log.term(mark.index) === mark.term) {
    // The log already has it: only the commit index was behind.
    raft.log.commitTo(mark.index);
    return false;
  }
  raft.log.restore(mark);
  raft.applied = mark.index;
  raft.restored = mark;
  noteSnapshot(raft, mark);
  switchMembership(raft, mark.membership);
  return true;
}

/** The state machine can now give a snapshot at `mark` to followers whose slots are gone. */
export function noteSnapshot(raft: RaftState, mark: SnapshotMark): void {
  raft.snapshotIndex = mark.index;
  raft.snapshotTerm = mark.term;
  raft.snapshotMembership = mark.membership;
}
