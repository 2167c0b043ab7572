import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { jointIndex, jointVote } from "@raft2kube/store/core/joint.ts";
import {
  changeMembership,
  initialMembership,
  MembershipError,
} from "@raft2kube/store/core/membership.ts";
import type { Membership, MembershipChange } from "@raft2kube/store/core/types.ts";
import { describeMembership } from "../../testing/raft/describe.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { changeOf } from "../raft/change.ts";

const SCRIPTS = join(import.meta.dirname, "confchange");

type Step = { readonly command: string; readonly expected: string };

/** A script: `voters ...` first, then commands, each with its result after dashes. */
function stepsOf(text: string): Step[] {
  const blocks = text
    .replaceAll(/^#.*\n/gm, "")
    .trim()
    .split(/\n\n+/);
  return blocks.map((block) => {
    const [command = "", expected = ""] = block.split("\n----\n");
    return { command, expected };
  });
}

for (const file of globSync("*.txt", { cwd: SCRIPTS }).sort()) {
  check(`confchange script ${file}`, () => {
    const [first, ...steps] = stepsOf(readFileSync(join(SCRIPTS, file), "utf8"));
    let current = initialMembership(idsOf(first!.command));
    for (const { command, expected } of steps) {
      const before = describeMembership(current);
      const next = attempt(current, changeOf(command));
      judge((next ? describeMembership(next) : "refused") === expected, {
        when: `"${command}" in ${file}, from: ${before}`,
        expected,
        happened: next ? describeMembership(next) : "refused",
        why: "each member computes the next configuration alone: all must get the same result",
      });
      current = next ?? current;
    }
  });
}

const idsOf = (command: string): bigint[] => command.split(" ").slice(1).map(BigInt);

function attempt(current: Membership, change: MembershipChange): Membership | undefined {
  try {
    return changeMembership(current, change);
  } catch (thrown) {
    if (thrown instanceof MembershipError) return undefined;
    throw thrown;
  }
}

const JOINT = { voters: new Set([3n, 4n, 5n]), outgoing: new Set([1n, 2n, 3n]) };
const WHY_BOTH = "if one majority decides alone, the other can decide differently (D 4.3)";

check("while joint, an entry is committed when both majorities have it", () => {
  const cases = [
    [{ 1: 9, 2: 9, 3: 9, 4: 9, 5: 9 }, 9, "all have entry 9"],
    [{ 1: 0, 2: 0, 3: 9, 4: 9, 5: 9 }, 0, "new voters all have entry 9, old ones only member 3"],
    [{ 1: 9, 2: 9, 3: 9, 4: 0, 5: 0 }, 0, "old voters all have entry 9, new ones only member 3"],
    [{ 1: 7, 2: 2, 3: 9, 4: 8, 5: 1 }, 7, "7 and 9 of the old, 9 and 8 of the new"],
  ] as const;
  for (const [match, expected, what] of cases) {
    const index = jointIndex(JOINT, (id) => match[Number(id) as keyof typeof match]);
    judge(index === expected, {
      when: `voters 3 4 5, outgoing 1 2 3: ${what}`,
      expected: `committed up to ${expected}`,
      happened: `up to ${index}`,
      why: WHY_BOTH,
    });
  }
});

check("while joint, an election is won when both majorities grant their votes", () => {
  const cases = [
    [[3n, 4n, 1n], [], "won"],
    [[3n, 4n, 5n], [], "pending"],
    [[3n, 4n, 5n], [1n, 2n], "lost"],
    [[1n, 2n, 3n], [], "pending"],
    [[1n, 2n, 3n], [4n, 5n], "lost"],
    [[], [], "pending"],
  ] as const;
  for (const [yes, no, expected] of cases) {
    const votes = new Map<bigint, boolean>();
    for (const id of yes) votes.set(id, true);
    for (const id of no) votes.set(id, false);
    const outcome = jointVote(JOINT, votes);
    const words = (ids: readonly bigint[]) => ids.join(" ") || "none";
    judge(outcome === expected, {
      when: `voters 3 4 5, outgoing 1 2 3: granted by ${words(yes)}, rejected by ${words(no)}`,
      expected,
      happened: outcome,
      why: WHY_BOTH,
    });
  }
});
