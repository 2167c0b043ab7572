import { NO_BYTES } from "@raft2kube/std/bytes.ts";
import { broadcastAppend, sendAppend } from "./append.ts";
import { hasCommittedInTerm } from "./commit.ts";
import { commitAndBroadcast } from "./commit-broadcast.ts";
import { appendOwn } from "./leadership.ts";
import { changeMembership, MembershipError } from "./membership.ts";
import type { Refusal } from "./options.ts";
import { reviewReads } from "./read-index.ts";
import { adoptMembership, isVoter, type LeaderState, type RaftState } from "./state.ts";
import { type Membership, type MembershipChange, NONE } from "./types.ts";

/**
 * Whether a change may be proposed now (S9: only after an entry of the leader's own term is
 * committed, and the last change is applied), and fits the membership. The caller remembers its
 * index.
 */
export function refuseChange(raft: LeaderState, change: MembershipChange): Refusal | undefined {
  // lab:05 begin refuse-change
  if (!hasCommittedInTerm(raft)) return "term-not-committed";
  if (raft.pendingChangeIndex > raft.applied) return "membership-pending";
  try {
    changeMembership(raft.membership, change);
  } catch (thrown) {
    if (thrown instanceof MembershipError) return "membership-invalid";
    throw thrown;
  }
  return undefined;
  // lab:05 end
}

/**
 * Puts an applied change into effect. Returns the new membership, or undefined when it no longer
 * fits, which every member decides alike. Called by the state machine as it applies the entry.
 */
export function applyChange(raft: RaftState, change: MembershipChange): Membership | undefined {
  try {
    switchMembership(raft, changeMembership(raft.membership, change));
  } catch (thrown) {
    if (thrown instanceof MembershipError) return undefined;
    throw thrown;
  }
  return raft.membership;
}

/**
 * Puts a membership into effect; a leader commits what a smaller quorum allows, probes
 * newcomers, and gives up a transfer to a member that is no voter any more.
 */
export function switchMembership(raft: RaftState, membership: Membership): void {
  adoptMembership(raft, membership);
  if (raft.role !== "leader") return;
  // lab:05 begin switch-membership
  // A smaller quorum may already have more; newcomers need what there is.
  commitAndBroadcast(raft);
  probeNewcomers(raft);
  if (!isVoter(raft, raft.transferee)) raft.transferee = NONE;
  // lab:05 end
  reviewReads(raft);
}

/**
 * Asks those whose position is unknown where they stand: there is no reason to let them wait for a
 * heartbeat or a proposal. The append is empty: they are taken to have all until they refuse it.
 */
function probeNewcomers(raft: LeaderState): void {
  for (const [member, progress] of raft.progress) {
    const unknown = member !== raft.id && progress.state === "probe";
    if (unknown) sendAppend(raft, member, progress, true);
  }
}

/**
 * The leader leaves a joint configuration by itself once it is applied, when asked to, by a change
 * without steps, under the rules of every change (S9).
 */
export function leaveJointIfDue(raft: RaftState): void {
  // lab:05 begin leave-joint-if-due
  if (raft.role !== "leader" || !raft.membership.autoLeave) return;
  if (raft.applied < raft.pendingChangeIndex || !hasCommittedInTerm(raft)) return;
  const leave: MembershipChange = { steps: [], transition: "auto", context: NO_BYTES };
  raft.pendingChangeIndex = appendOwn(raft, NO_BYTES, leave);
  broadcastAppend(raft);
  // lab:05 end
}
