import { CodedError } from "@raft2kube/std/errors.ts";
import type { VoterSets } from "./joint.ts";
import type { MemberId, Membership, MembershipChange, MembershipStep } from "./types.ts";

/** A membership change that the rules of section 4 do not allow from here. */
export class MembershipError extends CodedError {
  constructor(message: string) {
    super("INVALID_MEMBERSHIP_CHANGE", message);
  }
}

/** A cluster of voters only, as at its birth. */
export function initialMembership(voters: MemberId[]): Membership {
  return { voters: sorted(voters), outgoing: [], learners: [], learnersNext: [], autoLeave: false };
}

export const isJoint = (membership: Membership): boolean => membership.outgoing.length > 0;

export function voterSets(membership: Membership): VoterSets {
  return { voters: new Set(membership.voters), outgoing: new Set(membership.outgoing) };
}

/** Returns all members that receive the log. */
export function everyMember(membership: Membership): MemberId[] {
  const { voters, outgoing, learners, learnersNext } = membership;
  return sorted([...new Set([...voters, ...outgoing, ...learners, ...learnersNext])]);
}

/**
 * The membership after a change (dissertation section 4.3): left, entered jointly, or changed in
 * one step. Throws MembershipError when the change does not fit the present configuration.
 */
export function changeMembership(current: Membership, change: MembershipChange): Membership {
  // lab:05 begin change-membership
  if (change.steps.length === 0) return leaveJoint(current);
  if (isJoint(current)) throw new MembershipError("a joint membership change is already under way");
  const changed = takeSteps(current, change.steps);
  const voterChanges = symmetricDifference(current.voters, changed.voters);
  if (change.transition !== "auto" || voterChanges > 1) return enterJoint(current, changed, change);
  return changed;
  // lab:05 end
}

/** Returns the voters and learners after the steps, taken one after the other, joint or not. */
function takeSteps(current: Membership, steps: MembershipStep[]): Membership {
  const voters = new Set(current.voters);
  const learners = new Set(current.learners);
  for (const { action, member } of steps) {
    if (member === 0n) throw new MembershipError("member id 0 means no member");
    voters.delete(member);
    learners.delete(member);
    if (action === "add-voter") voters.add(member);
    else if (action === "add-learner") learners.add(member);
  }
  if (voters.size === 0) throw new MembershipError("the change would remove the last voter");
  return {
    voters: sorted([...voters]),
    outgoing: [],
    learners: sorted([...learners]),
    learnersNext: [],
    autoLeave: false,
  };
}

/**
 * Outgoing voters keep voting until the joint configuration is left, so they become learners only
 * then.
 */
function enterJoint(
  current: Membership,
  changed: Membership,
  change: MembershipChange,
): Membership {
  // lab:05 begin enter-joint
  const outgoing = new Set(current.voters);
  return {
    voters: changed.voters,
    outgoing: current.voters,
    learners: changed.learners.filter((id) => !outgoing.has(id)),
    learnersNext: changed.learners.filter((id) => outgoing.has(id)),
    autoLeave: change.transition !== "explicit",
  };
  // lab:05 end
}

/** Returns the new voters alone; members of learnersNext become learners. */
function leaveJoint(current: Membership): Membership {
  // lab:05 begin leave-joint
  if (!isJoint(current)) throw new MembershipError("no joint membership change to leave");
  return {
    voters: current.voters,
    outgoing: [],
    learners: sorted([...current.learners, ...current.learnersNext]),
    learnersNext: [],
    autoLeave: false,
  };
  // lab:05 end
}

function symmetricDifference(a: MemberId[], b: MemberId[]): number {
  const inA = new Set(a);
  const inB = new Set(b);
  return a.filter((id) => !inB.has(id)).length + b.filter((id) => !inA.has(id)).length;
}

function sorted(ids: MemberId[]): MemberId[] {
  return [...ids].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
