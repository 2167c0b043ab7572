import type { MembershipChange, MembershipStep } from "../core/types.ts";
import type { Command } from "../mvcc/apply/command.ts";

/** The change of Raft's membership that a command asks for, beside its own effect on the state. */
export function membershipChange(command: Command, encoded: Buffer): MembershipChange | undefined {
  const step = membershipStep(command);
  return step && { steps: [step], transition: "auto", context: encoded };
}

function membershipStep(command: Command): MembershipStep | undefined {
  switch (command.kind) {
    case "member-add": {
      const { ID: member, isLearner } = command.request;
      return { action: isLearner ? "add-learner" : "add-voter", member };
    }
    case "member-promote":
      return { action: "add-voter", member: command.request.ID };
    case "member-remove":
      return { action: "remove", member: command.request.ID };
    default:
      return undefined;
  }
}
