import { sendAppend } from "./append.ts";
import { commitAndBroadcast } from "./commit-broadcast.ts";
import type { AppendMessage, AppendReplyMessage } from "./message.ts";
import type { Progress } from "./progress.ts";
import { type LeaderState, type RaftState, send, sendAfterPersist } from "./state.ts";
import { transferIfCaughtUp } from "./transfer.ts";
import type { MemberId } from "./types.ts";

/**
 * AppendEntries at a follower (Raft section 5.3; etcd: MsgApp). An append from before the commit
 * index is acknowledged up to that index. A membership change proves that the one before it in the
 * log is committed (S11).
 */
export function handleAppendEntries(raft: RaftState, message: AppendMessage): void {
  // lab:04 begin handle-append
  const { log } = raft;
  const to = message.from;
  if (message.prevIndex < log.committed) {
    // Committed entries are equal on all members: reply with the commit index.
    acknowledge(raft, to, log.committed);
    return;
  }
  const match = log.tryAppend(message.prevIndex, message.prevTerm, message.entries);
  if (match !== undefined) {
    log.commitTo(Math.min(message.commit, match));
    // A change that follows another proves it committed (S11): a leader of an earlier release that
    // started again may not know that.
    log.commitTo(log.changeBeforeLast(match));
    acknowledge(raft, to, match);
    return;
  }
  const hint = log.lastIndexWithTermAtMost(message.prevIndex, message.prevTerm);
  send(raft, {
    kind: "append-reply",
    to,
    index: message.prevIndex,
    reject: true,
    hintIndex: hint.index,
    hintTerm: hint.term,
  });
  // lab:04 end
}

function acknowledge(raft: RaftState, to: MemberId, index: number): void {
  const accepted = { reject: false, hintIndex: 0, hintTerm: 0 };
  sendAfterPersist(raft, { kind: "append-reply", to, index, ...accepted });
}

/**
 * The response to AppendEntries at the leader (etcd: MsgAppResp): updates the follower's progress,
 * commits, and sends the next entries, as many as the window takes. A follower that was paused gets
 * an append in any case, from which it learns the commit index.
 */
export function handleAppendEntriesReply(raft: RaftState, message: AppendReplyMessage): void {
  // lab:04 begin handle-append-reply
  if (raft.role !== "leader") return;
  const progress = raft.progress.get(message.from);
  if (!progress) return;
  progress.recentActive = true;
  if (message.reject) return handleRejection(raft, progress, message);
  const wasPaused = progress.isPaused;
  const news = progress.acknowledged(message.index);
  // An equal match ends the probe too: the answer may be the first of this term.
  const probed = progress.state === "probe" && message.index === progress.match;
  if (!news && !probed) return;
  advanceState(raft, progress, message.index);
  if (!commitAndBroadcast(raft) && wasPaused) sendAppend(raft, message.from, progress, true);
  while (sendAppend(raft, message.from, progress, false)) {
    // As long as the window and the log have more.
  }
  transferIfCaughtUp(raft, message.from, progress);
  // lab:04 end
}

/** The follower has `index`: decides which entries it is sent next, and how many. */
function advanceState(raft: LeaderState, progress: Progress, index: number): void {
  if (progress.state === "probe") return progress.becomeReplicate();
  if (progress.state === "replicate") return progress.inflights.freeTo(index);
  // The snapshot has arrived, or the log reaches back to the follower again without it.
  if (progress.match + 1 >= raft.log.firstIndex) {
    progress.becomeProbe();
    progress.becomeReplicate();
  }
}

/** The follower's log did not fit: step back to where the logs may agree, and try there. */
function handleRejection(raft: LeaderState, progress: Progress, message: AppendReplyMessage): void {
  // lab:04 begin handle-rejection
  // Skip the leader's own entries whose term is above what the follower said it has there.
  const { hintIndex, hintTerm } = message;
  const fits = raft.log.lastIndexWithTermAtMost(hintIndex, hintTerm);
  const hint = hintTerm > 0 ? fits.index : hintIndex;
  if (!progress.rejected(message.index, hint)) return;
  if (progress.state === "replicate") progress.becomeProbe();
  sendAppend(raft, message.from, progress, true);
  // lab:04 end
}
