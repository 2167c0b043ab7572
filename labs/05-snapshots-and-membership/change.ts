import type { MembershipChange, MembershipStep } from "@raft2kube/store/core/types.ts";

const ACTIONS: Record<string, MembershipStep["action"]> = {
  "+": "add-voter",
  "~": "add-learner",
  "-": "remove",
};

const TRANSITIONS = ["explicit", "implicit"] as const;

/**
 * A change as the scripts write it: `change +4 ~5 -1` adds a voter and a learner and removes a
 * member; `explicit` stays joint, `implicit` leaves by itself; `leave` leaves.
 */
export function changeOf(command: string): MembershipChange {
  const [verb, ...words] = command.split(" ");
  const transition = TRANSITIONS.find((word) => words.includes(word)) ?? "auto";
  const steps = words
    .filter((word) => word !== transition)
    .map((word) => ({ action: ACTIONS[word[0]!]!, member: BigInt(word.slice(1)) }));
  return { steps: verb === "leave" ? [] : steps, transition, context: Buffer.alloc(0) };
}
