import { broadcastAppend } from "./append.ts";
import { appendOwn } from "./leadership.ts";
import type { Refusal } from "./options.ts";
import { refuseChange } from "./reconfigure.ts";
import { isVoter, type LeaderState, type RaftState, send } from "./state.ts";
import { type MembershipChange, NONE } from "./types.ts";

/** Where a proposal went: into the log from `index` on in `term`, or to the leader. */
export type Proposed = { index: number; term: number } | "forwarded" | { refused: Refusal };

/** Proposes commands, or one membership change; a follower passes them on to the leader. */
export function propose(
  raft: RaftState,
  data: Buffer[],
  change: MembershipChange | undefined,
): Proposed {
  if (raft.role === "leader") return proposeAsLeader(raft, data, change);
  if (raft.leader === NONE) return { refused: "no-leader" };
  send(raft, { kind: "propose", to: raft.leader, data, change });
  return "forwarded";
}

/** The leader's part: refuse, or append and replicate. */
export function proposeAsLeader(
  raft: LeaderState,
  data: Buffer[],
  change: MembershipChange | undefined,
): Proposed {
  const refused = refuse(raft, data, change);
  if (refused) return { refused };
  const index = raft.log.lastIndex + 1;
  if (change) raft.pendingChangeIndex = appendOwn(raft, data[0] ?? Buffer.alloc(0), change);
  else for (const command of data) appendOwn(raft, command, undefined);
  broadcastAppend(raft);
  return { index, term: raft.term };
}

function refuse(
  raft: LeaderState,
  data: Buffer[],
  change: MembershipChange | undefined,
): Refusal | undefined {
  if (!isVoter(raft, raft.id)) return "not-a-voter";
  if (raft.transferee !== NONE) return "transferring";
  if (change) return refuseChange(raft, change);
  let bytes = raft.uncommittedBytes;
  for (const command of data) bytes += command.length;
  // One proposal is always taken when nothing waits, however large.
  const overfull = raft.uncommittedBytes > 0 && bytes > raft.options.uncommittedBytes_max;
  return overfull ? "too-much-uncommitted" : undefined;
}
