import { sendAppend } from "./append.ts";
import type { TransferMessage } from "./message.ts";
import type { Refusal } from "./options.ts";
import type { Progress } from "./progress.ts";
import { isVoter, type LeaderState, type RaftState, send } from "./state.ts";
import { type MemberId, NONE } from "./types.ts";

/**
 * Hands the leadership to `transferee` (dissertation section 3.10): the leader takes no more
 * proposals, brings the successor up to date and asks it to campaign. Given up after an election
 * timeout.
 */
export function requestTransfer(raft: RaftState, transferee: MemberId): Refusal | undefined {
  if (raft.role === "leader") return startTransfer(raft, transferee);
  if (raft.leader === NONE) return "no-leader";
  send(raft, { kind: "transfer", to: raft.leader, transferee });
  return undefined;
}

export function handleTransfer(raft: RaftState, message: TransferMessage): void {
  // A refusal needs no answer: the member that asked sees that the leader stays.
  if (raft.role === "leader") startTransfer(raft, message.transferee);
}

function startTransfer(raft: LeaderState, transferee: MemberId): Refusal | undefined {
  const progress = raft.progress.get(transferee);
  if (!progress || !isVoter(raft, transferee)) return "not-a-voter";
  if (transferee === raft.id || transferee === raft.transferee) return undefined;
  raft.electionElapsed = 0;
  raft.transferee = transferee;
  if (progress.match === raft.log.lastIndex) send(raft, { kind: "timeout-now", to: transferee });
  else sendAppend(raft, transferee, progress, true);
  return undefined;
}

/**
 * A leader that the membership no longer counts as a voter (dissertation section 4.2.2) stays until
 * a voter with all of its log takes over: stepping down immediately could leave the new voters
 * without the entry that made them so. The transfer is repeated each election timeout, to a voter
 * that answers: one that is down may have as much of the log, and would be waited for in vain.
 */
export function handOver(raft: LeaderState): void {
  if (isVoter(raft, raft.id)) return;
  let best: { member: MemberId; progress: Progress } | undefined;
  for (const [member, progress] of raft.progress) {
    if (!isVoter(raft, member)) continue;
    if (!best || isBetterSuccessor(progress, best.progress)) best = { member, progress };
  }
  if (best) startTransfer(raft, best.member);
}

function isBetterSuccessor(a: Progress, b: Progress): boolean {
  if (a.recentActive !== b.recentActive) return a.recentActive;
  return a.match > b.match;
}

/** The successor has answered: if it has everything, it may campaign. */
export function transferIfCaughtUp(raft: LeaderState, from: MemberId, progress: Progress): void {
  if (from !== raft.transferee || progress.match !== raft.log.lastIndex) return;
  send(raft, { kind: "timeout-now", to: from });
}
