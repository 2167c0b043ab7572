import type { AppendMessage, AppendReplyMessage } from "./message.ts";
import { advanceCommit } from "./commit.ts";
import { contradictsCommitted } from "./conflict.ts";
import type { Progress } from "./progress.ts";
import { sendSnapshot } from "./snapshot.ts";
import { type RaftState, send, sendAfterPersist } from "./state.ts";
import { transferIfCaughtUp } from "./transfer.ts";
import type { MemberId } from "./types.ts";

/** Sends everyone what they lack. */
export function broadcastAppend(raft: RaftState): void {
  for (const [member, progress] of raft.progress) {
    if (member !== raft.id) sendAppend(raft, member, progress, true);
  }
}

export function broadcastHeartbeat(raft: RaftState, round: number): void {
  for (const [to, progress] of raft.progress) {
    if (to === raft.id) continue;
    // No further than the follower is known to have: its log beyond may still conflict.
    const commit = Math.min(progress.match, raft.log.committed);
    send(raft, { kind: "heartbeat", to, commit, readId: round });
  }
}

/**
 * Sends one append as the follower's state allows, a snapshot when the log no longer reaches back
 * to it. Without `evenEmpty`, only when there are entries to send. Returns whether something was
 * sent.
 */
export function sendAppend(
  raft: RaftState,
  to: MemberId,
  progress: Progress,
  evenEmpty: boolean,
): boolean {
  // lab:04 begin send-append
  if (progress.isPaused) return false;
  const prevIndex = progress.next - 1;
  const prevTerm = raft.log.term(prevIndex);
  if (prevTerm === undefined) return sendSnapshot(raft, to, progress);
  // With a full window an empty append still goes out, so that a lost window is noticed.
  const full = progress.state === "replicate" && progress.inflights.full;
  const entries = full ? [] : raft.log.slice(progress.next, raft.options.appendBytes_max);
  if (entries.length === 0 && !evenEmpty) return false;
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  send(raft, { kind: "append", to, prevIndex, prevTerm, entries, commit: raft.log.committed });
  progress.sent(entries.length, bytes);
  return true;
  // lab:04 end
}

/** The follower's part (Raft section 5.3). */
export function handleAppend(raft: RaftState, message: AppendMessage): void {
  if (contradictsCommitted(raft, message)) return;
  // lab:04 begin handle-append
  const { log } = raft;
  const to = message.from;
  if (message.prevIndex < log.committed) {
    // What is committed is equal everywhere: say how far that is.
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

/** The leader's part: learn where the follower stands, commit, and send what comes next. */
export function handleAppendReply(raft: RaftState, message: AppendReplyMessage): void {
  // lab:04 begin handle-append-reply
  const progress = raft.progress.get(message.from);
  if (raft.role !== "leader" || !progress) return;
  progress.recentActive = true;
  if (message.reject) return handleRejection(raft, progress, message);
  const wasPaused = progress.isPaused;
  const news = progress.acknowledged(message.index);
  // An equal match ends the probe too: the answer may be the first of this term.
  const probed = progress.state === "probe" && message.index === progress.match;
  if (!news && !probed) return;
  advanceState(raft, progress, message.index);
  if (advanceCommit(raft)) broadcastAppend(raft);
  else if (wasPaused) sendAppend(raft, message.from, progress, true);
  while (sendAppend(raft, message.from, progress, false)) {
    // As long as the window and the log have more.
  }
  transferIfCaughtUp(raft, message.from, progress);
  // lab:04 end
}

/** The follower has `index`: what it is sent next, and how much of it at once. */
function advanceState(raft: RaftState, progress: Progress, index: number): void {
  if (progress.state === "probe") return progress.becomeReplicate();
  if (progress.state === "replicate") return progress.inflights.freeTo(index);
  // The snapshot has arrived, or the log reaches back to the follower again without it.
  if (progress.match + 1 >= raft.log.firstIndex) {
    progress.becomeProbe();
    progress.becomeReplicate();
  }
}

/** The follower's log did not fit: step back to where the logs may agree, and try there. */
function handleRejection(raft: RaftState, progress: Progress, message: AppendReplyMessage): void {
  // lab:04 begin handle-rejection
  // Skip the leader's own slots whose term is above what the follower said it has there.
  const { hintIndex, hintTerm } = message;
  const fits = raft.log.lastIndexWithTermAtMost(hintIndex, hintTerm);
  const hint = hintTerm > 0 ? fits.index : hintIndex;
  if (!progress.rejected(message.index, hint)) return;
  if (progress.state === "replicate") progress.becomeProbe();
  sendAppend(raft, message.from, progress, true);
  // lab:04 end
}
