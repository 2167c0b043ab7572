import type { MembershipChange, MembershipStep } from "@raft2kube/store/core/types.ts";
import type { Scenario } from "./explored-cluster.ts";

type Words = readonly [MembershipStep["action"], bigint][];

function change(...words: Words): MembershipChange {
  const steps = words.map(([action, member]) => ({ action, member }));
  return { steps, transition: "auto", context: Buffer.alloc(0) };
}

/** Three voters and two changes, of each kind that there is. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "two removals",
    voters: 3,
    spares: 0,
    changes: [change(["remove", 3n]), change(["remove", 2n])],
  },
  {
    name: "the leader removed, then another",
    voters: 3,
    spares: 0,
    changes: [change(["remove", 1n]), change(["remove", 2n])],
  },
  {
    name: "two voters added",
    voters: 3,
    spares: 2,
    changes: [change(["add-voter", 4n]), change(["add-voter", 5n])],
  },
  {
    name: "a learner added and promoted",
    voters: 3,
    spares: 1,
    changes: [change(["add-learner", 4n]), change(["add-voter", 4n])],
  },
  {
    name: "two exchanged jointly, then one removed",
    voters: 3,
    spares: 2,
    changes: [
      change(["add-voter", 4n], ["add-voter", 5n], ["remove", 2n], ["remove", 3n]),
      change(["remove", 4n]),
    ],
  },
];
