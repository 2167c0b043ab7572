import { assert, unreachable } from "@raft2kube/std/assert.ts";
import { commitNews, contradictsCommitted } from "./conflict.ts";
import { handleTimeoutNow, handleVote, handleVoteReply } from "./election.ts";
import { handleHeartbeat, handleHeartbeatReply } from "./heartbeat.ts";
import type { Message } from "./message.ts";
import { proposeAsLeader } from "./propose.ts";
import { handleReadIndex, handleReadIndexReply } from "./read-index.ts";
import { handleAppendEntries, handleAppendEntriesReply } from "./replication.ts";
import { handleSnapshot } from "./snapshot.ts";
import { becomeFollower, forgetConflict, type RaftState, send } from "./state.ts";
import { handleTransfer } from "./transfer.ts";
import { NONE } from "./types.ts";

/** Takes one message: first its term (Raft section 5.1), then its content. */
export function step(raft: RaftState, message: Message): void {
  if (message.term > raft.term) {
    if (!admitHigherTerm(raft, message)) return;
  } else if (message.term < raft.term) {
    answerLowerTerm(raft, message);
    return;
  }
  handle(raft, message);
}

/** Whether a message of a higher term is looked at; most make us enter that term first. */
function admitHigherTerm(raft: RaftState, message: Message): boolean {
  // lab:03 begin admit-higher-term
  if (message.kind === "vote") {
    // While a leader is active, a member that lost contact with it may not depose it (section
    // 4.2.3).
    const { leader, electionElapsed, options } = raft;
    const isLeaderActive = leader !== NONE && electionElapsed < options.electionTicks;
    if (isLeaderActive && !message.transfer) return false;
    if (message.pre) return true;
  }
  // Granted in the future term that we asked about: we enter it only once elected to.
  if (message.kind === "vote-reply" && message.pre && message.granted) return true;
  const fromLeader = isFromLeader(message);
  becomeFollower(raft, message.term, fromLeader ? message.from : NONE);
  return true;
  // lab:03 end
}

/** Handles a message of an older term; most are ignored. */
function answerLowerTerm(raft: RaftState, message: Message): void {
  const to = message.from;
  if (message.kind === "heartbeat" || message.kind === "append") {
    // A leader of an older term learns of ours, so that a member stuck in a higher term can rejoin.
    const index = 0;
    send(raft, { kind: "append-reply", to, index, reject: false, hintIndex: 0, hintTerm: 0 });
  } else if (message.kind === "vote" && message.pre) {
    if (contradictsCommitted(raft, message)) return;
    send(raft, { kind: "vote-reply", to, pre: true, granted: false, ...commitNews(raft) });
  }
}

/** Handles a message of this term, or a pre-vote of a later one. */
function handle(raft: RaftState, message: Message): void {
  if (isFromLeader(message)) followSender(raft, message);
  if (contradictsCommitted(raft, message)) return;
  switch (message.kind) {
    case "vote":
      return handleVote(raft, message);
    case "vote-reply":
      return handleVoteReply(raft, message);
    case "append":
      return handleAppendEntries(raft, message);
    case "heartbeat":
      return handleHeartbeat(raft, message);
    case "snapshot":
      return handleSnapshot(raft, message);
    case "append-reply":
      return handleAppendEntriesReply(raft, message);
    case "heartbeat-reply":
      return handleHeartbeatReply(raft, message);
    case "propose":
      // Refused proposals are not answered: the proposer's deadline is.
      if (raft.role === "leader") proposeAsLeader(raft, message.data, message.change);
      return undefined;
    case "read":
      return handleReadIndex(raft, message);
    case "read-reply":
      return handleReadIndexReply(raft, message);
    case "transfer":
      return handleTransfer(raft, message);
    case "timeout-now":
      return handleTimeoutNow(raft);
    default:
      return unreachable(message, "message");
  }
}

/** Whether only the leader of its term sends a message of this kind. */
function isFromLeader({ kind }: Message): boolean {
  return kind === "append" || kind === "heartbeat" || kind === "snapshot";
}

/**
 * Handles a message of the current term from its leader: a member in any role becomes its follower.
 */
function followSender(raft: RaftState, message: Message): void {
  assert(
    raft.role !== "leader",
    () => `election safety: ${message.from} leads term ${raft.term} too`,
  );
  forgetConflict(raft);
  // lab:03 begin follow-sender
  if (raft.role !== "follower") becomeFollower(raft, raft.term, message.from);
  raft.electionElapsed = 0;
  raft.leader = message.from;
  // lab:03 end
}
