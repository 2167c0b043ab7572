import type { Message } from "./message.ts";
import type { RaftState, ReadAnswer } from "./state.ts";
import type { Entry, HardState, SnapshotMark } from "./types.ts";

/** What must become durable, in the order of the ids. */
export interface Write {
  id: number;
  /** Set when it changed. */
  hardState: HardState | undefined;
  entries: Entry[];
  /** The log begins anew behind this. */
  snapshot: SnapshotMark | undefined;
}

/** What the core wants done. The caller does all of it, then asks again. */
export interface Ready {
  /** To be written to the log; answered by `persisted(write.id)`. */
  write: Write | undefined;
  /** To be sent at once, while the write is under way (dissertation section 10.2.1). */
  messages: Message[];
  /** To be sent, or stepped when addressed to this member, after the write is durable. */
  messagesAfterPersist: Message[];
  /** To be applied, in order; answered by `appliedTo(index)`. */
  committed: Entry[];
  /** Reads that may be answered once their index is applied. */
  reads: ReadAnswer[];
}

/** Collects what has come up since the last time; undefined when nothing has. */
export function takeReady(raft: RaftState, last: { hardState: HardState }): Ready | undefined {
  const { log } = raft;
  const changed = hardStateChanged(raft, last.hardState);
  const mustWrite =
    log.hasUnwritten || changed || raft.restored || raft.outboxAfterPersist.length > 0;
  const idle = !mustWrite && raft.outbox.length === 0 && raft.readAnswers.length === 0;
  if (idle && !log.hasUnapplied) return undefined;
  let write: Write | undefined;
  if (mustWrite) {
    const { id, entries } = log.takeWrite();
    const { term, vote } = raft;
    if (changed) last.hardState = { term, vote, commit: log.committed };
    const hardState = changed ? last.hardState : undefined;
    write = { id, hardState, entries, snapshot: raft.restored };
    raft.restored = undefined;
  }
  const ready: Ready = {
    write,
    messages: raft.outbox,
    messagesAfterPersist: raft.outboxAfterPersist,
    committed: log.hasUnapplied ? log.takeCommitted(raft.options.applyBytes_max) : [],
    reads: raft.readAnswers,
  };
  raft.outbox = [];
  raft.outboxAfterPersist = [];
  raft.readAnswers = [];
  return ready;
}

/**
 * Term and vote must be durable before they matter. The commit index rides along: it is a hint
 * only.
 */
function hardStateChanged(raft: RaftState, last: HardState): boolean {
  return raft.term !== last.term || raft.vote !== last.vote;
}
