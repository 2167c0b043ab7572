import { Inflights } from "@raft2kube/store/core/inflights.ts";
import { Progress } from "@raft2kube/store/core/progress.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { appended, coreWith, electMember1, work } from "../raft/core.ts";

const INFLIGHTS_MAX = 3;

/** A follower that is known to fit up to entry 5, with entries up to 8 under way to it. */
function streaming(): Progress {
  const progress = new Progress(6, false, new Inflights(INFLIGHTS_MAX, 1_000));
  progress.match = 5;
  progress.becomeReplicate();
  for (let i = 0; i < INFLIGHTS_MAX; i++) progress.sent(1, 10);
  return progress;
}

/** A follower of which nothing is known, asked about entry 9. */
function probing(): Progress {
  const progress = new Progress(10, false, new Inflights(INFLIGHTS_MAX, 1_000));
  progress.sent(1, 10);
  return progress;
}

function described({ match, next, paused }: Progress): string {
  return `match ${match}, next ${next}${paused ? ", paused" : ""}`;
}

check("an acknowledgement moves a follower's place forward, never back", () => {
  const cases = [
    [6, true, "match 6, next 9", "entry 6 of 6 to 8 under way"],
    [8, true, "match 8, next 9", "all that is under way"],
    [12, true, "match 12, next 13", "more than was sent: it had that already"],
    [5, false, "match 5, next 9, paused", "what is known already"],
    [3, false, "match 5, next 9, paused", "an old answer, come late"],
  ] as const;
  for (const [index, news, expected, what] of cases) {
    const progress = streaming();
    const said = progress.acknowledged(index);
    judge(said === news && described(progress) === expected, {
      when: `match 5, 6 to 8 under way, a full window; ${index} is acknowledged (${what})`,
      expected: `${expected}; ${news ? "news" : "no news"}`,
      happened: `${described(progress)}; ${said ? "news" : "no news"}`,
      why: "what is under way must not be sent again, and what is acknowledged not be forgotten",
    });
  }
});

check("a refusal steps back once, and an old one not at all", () => {
  const old = streaming();
  judge(!old.rejected(4, 2) && old.next === 9, {
    when: "match 5, entries 6 to 8 under way; an append after entry 4 is refused, come late",
    expected: "nothing changes: entry 5 was acknowledged since",
    happened: described(old),
    why: "an answer of the past would throw the follower back, and its window away",
  });
  const gap = streaming();
  judge(gap.rejected(7, 5) && gap.next === 6, {
    when: "match 5, entries 6 to 8 under way; an append after entry 7 is refused: one was lost",
    expected: "next 6, right behind what is known",
    happened: described(gap),
    why: "what is known equal need not be looked for again",
  });
  const cases = [
    [9, 4, "match 0, next 5", "the hint says 4"],
    [9, 20, "match 0, next 9", "the hint is beyond: one step back at least"],
    [7, 2, "match 0, next 10, paused", "an answer to an earlier probe"],
  ] as const;
  for (const [rejected, hint, expected, what] of cases) {
    const progress = probing();
    progress.rejected(rejected, hint);
    judge(described(progress) === expected, {
      when: `one append after entry 9 is under way, one after ${rejected} is refused (${what})`,
      expected,
      happened: described(progress),
      why: "each step back is a round trip; each step back too many sends entries again",
    });
  }
});

check("a follower that answers gets all that fits into its window", () => {
  const raft = coreWith();
  electMember1(raft);
  work(raft);
  const { term } = raft.state;
  // Too large to travel together; the first goes out as a probe.
  raft.propose(Array.from({ length: 4 }, () => Buffer.alloc(9_000)));
  work(raft);
  raft.step(appended(2n, term, 1));
  const sent = work(raft).now.flatMap((message) => {
    return message.kind === "append" && message.to === 2n ? message.entries : [];
  });
  const indexes = sent.map(({ index }) => index).join(" ");
  judge(indexes === "2 3 4 5", {
    when: "entries 2 to 5 wait for member 2, each a message of its own, and it answers for entry 1",
    expected: "entries 2 3 4 5 are sent, one behind the other",
    happened: `entries ${indexes || "none"} are sent`,
    why: "one message for each round trip makes a far follower slow (dissertation 10.2.1)",
  });
});

check("a change of membership is applied once its commit is on disk", () => {
  const raft = coreWith({ voters: [1n, 2n] });
  electMember1(raft, [2n]);
  work(raft);
  raft.step(appended(2n, raft.state.term, 1));
  work(raft);
  const steps = [{ action: "add-learner", member: 3n } as const];
  raft.proposeChange({ steps, transition: "auto", context: Buffer.alloc(0) });
  work(raft);
  raft.step(appended(2n, raft.state.term, 2));
  const first = raft.ready();
  const early = first?.committed.some(({ change }) => change !== undefined);
  judge(early === false && first?.write?.hardState?.commit === 2, {
    when: "a change of membership in entry 2 is committed",
    expected: "commit index 2 is written, and entry 2 is not yet applied",
    happened: early ? "it is applied" : `written: commit ${first?.write?.hardState?.commit}`,
    why: "back from a crash under the old membership it might find nobody who elects it",
  });
  if (first?.write) raft.persisted(first.write.id);
  const { applied } = work(raft);
  judge(
    applied.some(({ change }) => change !== undefined),
    {
      when: "that write has ended",
      expected: "entry 2 is applied",
      happened: `${applied.length} entries are applied, none of them a change`,
      why: "the change would never come into effect",
    },
  );
});

check("a successor is told to campaign once it has everything", () => {
  const raft = coreWith();
  electMember1(raft);
  work(raft);
  const { term } = raft.state;
  raft.step(appended(2n, term, 1));
  work(raft);
  raft.transferLeadership(3n);
  const early = work(raft).now.some(({ kind }) => kind === "timeout-now");
  raft.step(appended(3n, term, 1));
  const isSent = work(raft).now.some(({ kind, to }) => kind === "timeout-now" && to === 3n);
  judge(!early && isSent, {
    when: "the leadership is to go to member 3, which lacks entry 1, and then acknowledges it",
    expected: "timeout-now to member 3, then and not before",
    happened: early ? "it was told before it had the entry" : "it was not told",
    why: "a leader that stops meets its clients' next write with an election (D 3.10)",
  });
});

/** Member 1 leads, with a log of 50 entries, and member 2's answers move it. */
function longLog() {
  const raft = coreWith({ term: 1, log: Array.from({ length: 50 }, () => 1), commit: 50 });
  electMember1(raft);
  work(raft);
  return raft;
}

check("after a refusal the next try follows at once, where the hint says", () => {
  const cases = [
    [30, 1, 30, "its log ends with entry 30 of term 1"],
    [0, 0, 0, "its log is empty: a newcomer"],
  ] as const;
  for (const [hintIndex, hintTerm, after, what] of cases) {
    const raft = longLog();
    const refusal = { index: 50, reject: true, hintIndex, hintTerm };
    raft.step({ kind: "append-reply", from: 2n, to: 1n, term: raft.state.term, ...refusal });
    const next = work(raft).now.find(({ kind, to }) => kind === "append" && to === 2n);
    const found = next?.kind === "append" ? next.prevIndex : undefined;
    judge(found === after, {
      when: `member 2 refuses an append after entry 50, hint ${hintIndex}/${hintTerm} (${what})`,
      expected: `an append after entry ${after}, at once`,
      happened: found === undefined ? "no append" : `an append after entry ${found}`,
      why: "entry by entry, or heartbeat by heartbeat, a follower far behind never catches up",
    });
  }
});

check("an acknowledgement is a sign of life", () => {
  const raft = longLog();
  raft.step(appended(2n, raft.state.term, 51));
  judge(raft.leading?.progress.get(2n)?.recentActive === true, {
    when: "member 2 acknowledges an append",
    expected: "it counts as heard from (recentActive)",
    happened: "it does not",
    why: "a leader that writes much and hears only appends answered would step down (D 6.2)",
  });
});
