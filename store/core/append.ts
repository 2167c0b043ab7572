import type { Progress } from "./progress.ts";
import { sendSnapshot } from "./snapshot.ts";
import { type LeaderState, send } from "./state.ts";
import type { MemberId } from "./types.ts";

/** Sends every follower the entries it lacks. */
export function broadcastAppend(raft: LeaderState): void {
  for (const [member, progress] of raft.progress) {
    if (member !== raft.id) sendAppend(raft, member, progress, true);
  }
}

/** Sends every other member a heartbeat, whose reply confirms the read round (0: none). */
export function broadcastHeartbeat(raft: LeaderState, round: number): void {
  for (const [to, progress] of raft.progress) {
    if (to === raft.id) continue;
    // No further than the follower is known to have: its log beyond may still conflict.
    const commit = Math.min(progress.match, raft.log.committed);
    send(raft, { kind: "heartbeat", to, commit, readId: round });
  }
}

/**
 * Sends one append as the follower's state allows, a snapshot when the log no longer reaches back
 * to it. Without `evenEmpty`, only when there are entries to send; with a full window in
 * `replicate` there are none. Returns whether something was sent.
 */
export function sendAppend(
  raft: LeaderState,
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
