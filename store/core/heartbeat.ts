import { CodedError } from "@raft2kube/std/errors.ts";
import { sendAppend } from "./append.ts";
import { commitNews } from "./conflict.ts";
import type { HeartbeatMessage, HeartbeatReplyMessage } from "./message.ts";
import { confirmRead } from "./read-index.ts";
import { type RaftState, send } from "./state.ts";

/** The follower's part: commit up to the index named, and answer, which confirms the term. */
export function handleHeartbeat(raft: RaftState, message: HeartbeatMessage): void {
  checkNothingLost(raft, message);
  // lab:04 begin handle-heartbeat
  raft.log.commitTo(message.commit);
  const { from: to, readId } = message;
  send(raft, { kind: "heartbeat-reply", to, readId, ...commitNews(raft) });
  // lab:04 end
}

/**
 * A heartbeat's commit index is never beyond what this member has acknowledged to this leader.
 * Where the log ends before it, the disk has lost what was durable, unnoticed at the start (S8).
 */
function checkNothingLost({ log }: RaftState, { commit, from }: HeartbeatMessage): void {
  if (commit <= log.lastIndex) return;
  const acknowledged = `member ${from.toString(16)} has an acknowledgement of ${commit}`;
  throw new CodedError("LOG_LOST", `the log ends at ${log.lastIndex}, and ${acknowledged}`, {
    remedy: "its disk lost synced writes: add this member again, with an empty data directory",
  });
}

/**
 * The leader's part: the follower is up, so probe it again, and count it for the read it
 * confirms.
 */
export function handleHeartbeatReply(raft: RaftState, message: HeartbeatReplyMessage): void {
  if (raft.role !== "leader") return;
  const progress = raft.progress.get(message.from);
  if (!progress) return;
  progress.recentActive = true;
  progress.paused = false;
  // Behind, or in probe: an append may have been lost without anyone noticing.
  if (progress.match < raft.log.lastIndex || progress.state === "probe") {
    sendAppend(raft, message.from, progress, true);
  }
  if (message.readId !== 0) confirmRead(raft, message.readId, message.from);
}
