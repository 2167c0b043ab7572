import { assert } from "@raft2kube/std/assert.ts";
import type { Message } from "./message.ts";
import type { RaftState, ReadAnswer } from "./state.ts";
import type { Entry, HardState, SnapshotMark } from "./types.ts";

/** A write that must become durable, in the order of the ids. */
export interface Write {
  id: number;
  /** The term, vote and commit index, when one of them changed. */
  hardState: HardState | undefined;
  entries: Entry[];
  /** The index after which the log starts over. */
  snapshot: SnapshotMark | undefined;
}

/** The core's output. The caller executes all of it, then calls `ready()` again. */
export interface Ready {
  /** The write for the log; answered by `persisted(write.id)`. */
  write: Write | undefined;
  /** Messages to send immediately, while the write is under way (dissertation section 10.2.1). */
  messages: Message[];
  /** Messages to send, or to step when addressed to this member, after the write is durable. */
  messagesAfterPersist: Message[];
  /** Entries to apply, in order; answered by `appliedTo(index)`. */
  committed: Entry[];
  /** Reads that may be answered once their index is applied. */
  reads: ReadAnswer[];
}

/** Hard states: the last one handed out, and those on their way to the disk. */
export type HardStates = { last: HardState; writing: { id: number; commit: number }[] };

/** Collects what has come up since the last time; undefined when nothing has. */
export function takeReady(raft: RaftState, states: HardStates): Ready | undefined {
  let held = 0;
  // A change of membership takes effect only once this member's disk knows that it is committed:
  // else it could come back from a crash, under the old membership, to find no member left that
  // would elect it.
  const committed = raft.log.takeCommitted(raft.options.applyBytes_max, ({ change, index }) => {
    if (!change || index <= raft.durableCommit) return false;
    held = index;
    return true;
  });
  const write = takeWrite(raft, states, Math.max(held, followedChange(raft)));
  const { outbox: messages, outboxAfterPersist: messagesAfterPersist, readAnswers: reads } = raft;
  const idle = messages.length === 0 && reads.length === 0 && committed.length === 0;
  if (idle && !write) return undefined;
  raft.outbox = [];
  raft.outboxAfterPersist = [];
  raft.readAnswers = [];
  return { write, messages, messagesAfterPersist, committed, reads };
}

/**
 * The last change of membership that another one follows in the log. The write with the other's
 * entry must state that this one is committed (S11).
 */
function followedChange({ log }: RaftState): number {
  const index = log.changeBeforeLast(log.lastIndex);
  assert(
    index <= log.committed,
    () => `S11: a change follows the one at ${index}, committed is ${log.committed}`,
  );
  return index;
}

/**
 * Returns the next write. There is one for new entries, a restored snapshot, a changed term or
 * vote, a needed commit index (`commitNeeded`) above the last one written, and, even without
 * content, for messages that wait (`outboxAfterPersist`), since earlier writes may be under way. An
 * advance of the commit index that is not needed makes no write.
 */
function takeWrite(raft: RaftState, states: HardStates, commitNeeded: number): Write | undefined {
  // lab:04 begin take-write
  const { log, term, vote, restored } = raft;
  const { last } = states;
  const changed = term !== last.term || vote !== last.vote || commitNeeded > last.commit;
  const must = log.hasUnwritten || changed || restored || raft.outboxAfterPersist.length > 0;
  if (!must) return undefined;
  const { id, entries } = log.takeWrite();
  if (changed) {
    states.last = { term, vote, commit: Math.min(log.committed, log.lastIndex) };
    states.writing.push({ id, commit: states.last.commit });
  }
  raft.restored = undefined;
  return { id, hardState: changed ? states.last : undefined, entries, snapshot: restored };
  // lab:04 end
}

/**
 * Write `id` is durable, and with it the commit index it carried. Its entries are about to be
 * acknowledged: a change among them must not be without the commit of the change before (S11).
 */
export function noteDurable(raft: RaftState, states: HardStates, id: number): void {
  while (states.writing[0] && states.writing[0].id <= id) {
    raft.durableCommit = Math.max(raft.durableCommit, states.writing.shift()!.commit);
  }
  const followed = raft.log.changeBeforeLast(raft.log.persisted);
  assert(
    followed <= raft.durableCommit,
    () => `S11: a durable change follows the one at ${followed}, commit is ${raft.durableCommit}`,
  );
}
