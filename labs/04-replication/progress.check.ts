import { Inflights } from "@raft2kube/store/core/inflights.ts";
import { Progress } from "@raft2kube/store/core/progress.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { checkRules } from "../raft/rules.ts";

const INFLIGHTS_MAX = 3;

/** A follower whose log matches up to entry 5, with entries 6 to 8 in flight. */
function streaming(): Progress {
  const progress = new Progress(6, false, new Inflights(INFLIGHTS_MAX, 1_000));
  progress.match = 5;
  progress.becomeReplicate();
  for (let i = 0; i < INFLIGHTS_MAX; i++) progress.sent(1, 10);
  return progress;
}

/** A follower in probe, with an append after entry 9 in flight. */
function probing(match: number): Progress {
  const progress = new Progress(10, false, new Inflights(INFLIGHTS_MAX, 1_000));
  progress.match = match;
  progress.sent(1, 10);
  return progress;
}

function described({ match, next, paused }: Progress): string {
  return `match ${match}, next ${next}${paused ? ", paused" : ""}`;
}

check("an acknowledgement advances match and next, never decreases them", () => {
  const cases = [
    [6, true, "match 6, next 9", "entry 6 of 6 to 8 in flight"],
    [8, true, "match 8, next 9", "all entries in flight"],
    [12, true, "match 12, next 13", "more than was sent: the follower had these entries already"],
    [5, false, "match 5, next 9, paused", "equal to match"],
    [3, false, "match 5, next 9, paused", "a stale reply"],
  ] as const;
  for (const [index, advances, expected, what] of cases) {
    const progress = streaming();
    const advanced = progress.acknowledged(index);
    judge(advanced === advances && described(progress) === expected, {
      when: `match 5, 6 to 8 in flight, a full window; ${index} is acknowledged (${what})`,
      expected: `${expected}; returns ${advances}`,
      happened: `${described(progress)}; returns ${advanced}`,
      why: "entries in flight must not be sent again, acknowledged ones must stay acknowledged",
    });
  }
});

check("a rejection decreases next once, a stale one not at all", () => {
  const old = streaming();
  judge(!old.rejected(4, 2) && old.next === 9, {
    when: "match 5, entries 6 to 8 in flight; a stale rejection of an append after entry 4",
    expected: "no change: entry 5 was acknowledged since",
    happened: described(old),
    why: "a stale reply would reset next and the window",
  });
  const gap = streaming();
  judge(gap.rejected(7, 5) && gap.next === 6, {
    when: "match 5, entries 6 to 8 in flight; an append after 7 is rejected, as one was lost",
    expected: "next 6, which is match + 1",
    happened: described(gap),
    why: "entries up to match are known to be equal",
  });
  const cases = [
    [0, 9, 4, "match 0, next 5", "the hint is 4"],
    [0, 9, 20, "match 0, next 9", "the hint is beyond: at least one step back"],
    [0, 7, 2, "match 0, next 10, paused", "the reply to an earlier probe"],
    [5, 9, 2, "match 5, next 6", "the hint is 2, from before entry 5 was acknowledged"],
  ] as const;
  for (const [match, rejected, hint, expected, what] of cases) {
    const progress = probing(match);
    progress.rejected(rejected, hint);
    judge(described(progress) === expected, {
      when: `an append after entry 9 is in flight, one after ${rejected} is rejected (${what})`,
      expected,
      happened: described(progress),
      why: "each step back costs a round trip; steps too far send entries again",
    });
  }
});

checkRules(import.meta);
