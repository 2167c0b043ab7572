import type { HeartbeatMessage, HeartbeatReplyMessage } from "./message.ts";
import { confirmRead } from "./read-index.ts";
import { sendAppend } from "./replication.ts";
import { type RaftState, send } from "./state.ts";

/** The follower's part: commit as told, and answer, which confirms the leader's term. */
export function handleHeartbeat(raft: RaftState, message: HeartbeatMessage): void {
  // lab:04 begin handle-heartbeat
  raft.log.commitTo(Math.min(message.commit, raft.log.lastIndex));
  send(raft, { kind: "heartbeat-reply", to: message.from, readId: message.readId });
  // lab:04 end
}

/**
 * The leader's part: the follower lives, so probe it again, and count it for the read it
 * confirms.
 */
export function handleHeartbeatReply(raft: RaftState, message: HeartbeatReplyMessage): void {
  const progress = raft.progress.get(message.from);
  if (raft.role !== "leader" || !progress) return;
  progress.recentActive = true;
  progress.paused = false;
  // Behind, or in probe: an append may have been lost without anyone noticing.
  if (progress.match < raft.log.lastIndex || progress.state === "probe") {
    sendAppend(raft, message.from, progress, true);
  }
  if (message.readId !== 0) confirmRead(raft, message.readId, message.from);
}
