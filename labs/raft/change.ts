import type { MembershipChange } from "@raft2kube/store/core/types.ts";
import { membershipStep } from "../../testing/raft/script.ts";

const TRANSITIONS = ["explicit", "implicit"] as const;

/**
 * A change as the scripts write it: `change +4 ~5 -1` adds a voter and a learner and removes a
 * member; `explicit` stays joint, `implicit` leaves by itself; `leave` leaves.
 */
export function changeOf(command: string): MembershipChange {
  const [verb, ...words] = command.split(" ");
  const transition = TRANSITIONS.find((word) => words.includes(word)) ?? "auto";
  const steps = words.filter((word) => word !== transition).map(membershipStep);
  return { steps: verb === "leave" ? [] : steps, transition, context: Buffer.alloc(0) };
}
