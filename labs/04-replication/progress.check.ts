import { Inflights } from "@raft2kube/store/core/inflights.ts";
import { Progress } from "@raft2kube/store/core/progress.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { appended, coreWith, electMember1, work } from "../raft/core.ts";

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

check("a follower that replies is sent as many appends as its window allows", () => {
  const raft = coreWith();
  electMember1(raft);
  work(raft);
  const { term } = raft.state;
  // Too large for one append; the first is sent as a probe.
  raft.propose(Array.from({ length: 4 }, () => Buffer.alloc(9_000)));
  work(raft);
  raft.step(appended(2n, term, 1));
  const sent = work(raft).now.flatMap((message) => {
    return message.kind === "append" && message.to === 2n ? message.entries : [];
  });
  const indexes = sent.map(({ index }) => index).join(" ");
  judge(indexes === "2 3 4 5", {
    when: "entries 2 to 5 need an append each; member 2 acknowledges entry 1",
    expected: "entries 2 3 4 5 are sent without waiting",
    happened: `entries ${indexes || "none"} are sent`,
    why: "one append in each round trip is slow with a distant follower (dissertation 10.2.1)",
  });
});

check("a membership change is applied once its commit is on disk", () => {
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
    when: "a membership change in entry 2 is committed",
    expected: "commit index 2 is written, and entry 2 is not yet applied",
    happened: early ? "it is applied" : `written: commit ${first?.write?.hardState?.commit}`,
    why: "after a crash under the old membership it might find no majority",
  });
  if (first?.write) raft.persisted(first.write.id);
  const { applied } = work(raft);
  judge(
    applied.some(({ change }) => change !== undefined),
    {
      when: "that write is durable",
      expected: "entry 2 is applied",
      happened: `${applied.length} entries are applied, none of them a change`,
      why: "otherwise the change never takes effect",
    },
  );
});

check("a transferee gets timeout-now once its log is up to date", () => {
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
    when: "leadership is transferred to member 3, which lacks entry 1, then acknowledges it",
    expected: "timeout-now to member 3 after that, not before",
    happened: early ? "timeout-now before it had the entry" : "no timeout-now",
    why: "without it the transfer takes a whole election timeout (D 3.10)",
  });
});

const ONES = Array.from({ length: 50 }, () => 1);
const ONES_AND_THREES = ONES.map((term, i) => (i < 10 ? term : 3));

/** Member 1 is leader, with a log of 50 entries, and has sent entry 51 to each follower. */
function longLog(log = ONES): Raft {
  const raft = coreWith({ term: log.at(-1)!, log, commit: 50 });
  electMember1(raft);
  work(raft);
  return raft;
}

/** The appends that member 1 sends to a member now. */
function sentTo(raft: Raft, member: MemberId) {
  return work(raft).now.flatMap((message) => {
    return message.kind === "append" && message.to === member ? [message] : [];
  });
}

/** Proposes commands one after the other; returns the appends to a member. */
function proposeEach(raft: Raft, count: number, member: MemberId) {
  return Array.from({ length: count }, () => {
    raft.propose([Buffer.from("x")]);
    return sentTo(raft, member);
  }).flat();
}

check("after a rejection the next append is sent at once, at the hint", () => {
  const cases = [
    [ONES, 30, 1, 30, "its log ends with entry 30 of term 1"],
    [ONES, 0, 0, 0, "its log is empty: a new member"],
    [ONES_AND_THREES, 30, 2, 10, "entries 1 to 10 are of term 1, the leader's others of term 3"],
  ] as const;
  for (const [log, hintIndex, hintTerm, after, what] of cases) {
    const raft = longLog(log);
    const refusal = { index: 50, reject: true, hintIndex, hintTerm };
    raft.step({ kind: "append-reply", from: 2n, to: 1n, term: raft.state.term, ...refusal });
    const found = sentTo(raft, 2n)[0]?.prevIndex;
    judge(found === after, {
      when: `member 2 rejects an append after entry 50, hint ${hintIndex}/${hintTerm} (${what})`,
      expected: `an append after entry ${after}, at once`,
      happened: found === undefined ? "no append" : `an append after entry ${found}`,
      why: "one step for each entry or heartbeat, and a slow follower never catches up",
    });
  }
});

check("an acknowledgement marks the follower active", () => {
  const raft = longLog();
  raft.step(appended(2n, raft.state.term, 51));
  judge(raft.leading?.progress.get(2n)?.recentActive === true, {
    when: "member 2 acknowledges an append",
    expected: "its progress is recentActive",
    happened: "it is not",
    why: "a busy leader that receives only append replies would step down (D 6.2)",
  });
});

check("a paused follower is sent nothing more until it replies", () => {
  const raft = longLog();
  judge(proposeEach(raft, 3, 2n).length === 0, {
    when: "entry 51 was sent to member 2 as a probe, without a reply; three proposals",
    expected: "no append to member 2",
    happened: "it is sent more appends",
    why: "until its log is known to match, each append may be rejected, and is sent again",
  });
  const { term, options } = raft.state;
  raft.step(appended(2n, term, 54));
  work(raft);
  const window = options.inflightAppends_max;
  const { length } = proposeEach(raft, window + 4, 2n);
  judge(length === window, {
    when: `${window + 4} proposals, one after the other; member 2 does not reply`,
    expected: `${window} appends to member 2: its window (inflightAppends_max)`,
    happened: `${length} appends`,
    why: "a leader that sends without a bound to a slow follower fills its memory (D 10.2.1)",
  });
  const news = { readId: 0, commit: 0, commitTerm: 0 };
  raft.step({ kind: "heartbeat-reply", from: 2n, to: 1n, term, ...news });
  const sent = sentTo(raft, 2n).map(({ entries }) => entries.length);
  judge(sent.join() === "0", {
    when: "the window is full, and a heartbeat reply shows that member 2 is up",
    expected: "one append without entries",
    happened: sent.length > 0 ? `appends of ${sent.join(", ")} entries` : "no append",
    why: "if the appends of the window were lost, only its rejection tells",
  });
});

check("the first reply that names the last matching entry ends a probe", () => {
  const cases = [
    [51, 2, "its last matching entry"],
    [50, 1, "an earlier entry: a reply from before"],
  ] as const;
  for (const [index, expected, what] of cases) {
    const raft = longLog();
    const { term } = raft.state;
    raft.step(appended(2n, term, 51));
    work(raft);
    raft.reportUnreachable(2n);
    raft.step(appended(2n, term, index));
    work(raft);
    const { length } = proposeEach(raft, 2, 2n);
    judge(length === expected, {
      when: `member 2, matching up to 51, was unreachable; it acknowledges ${index} (${what})`,
      expected: `${expected} of the next two proposals are sent without waiting`,
      happened: `${length} are sent`,
      why: "a stream to a member that is up saves round trips; to one that is not, it is lost",
    });
  }
});

check("a rejection in the stream sends one append, and waits; a stale one sends none", () => {
  const raft = longLog();
  const { term } = raft.state;
  raft.step(appended(2n, term, 51));
  work(raft);
  proposeEach(raft, 3, 2n);
  const refusal = { kind: "append-reply", from: 2n, to: 1n, term, reject: true } as const;
  raft.step({ ...refusal, index: 50, hintIndex: 30, hintTerm: 1 });
  const stale = sentTo(raft, 2n).length;
  judge(stale === 0, {
    when: "52 to 54 are in flight to member 2; the rejection of an append after 50 comes late",
    expected: "nothing is sent: 51 was acknowledged since",
    happened: `${stale} appends`,
    why: "what is in flight would be sent a second time",
  });
  raft.step({ ...refusal, index: 52, hintIndex: 51, hintTerm: term });
  const sent = [...sentTo(raft, 2n), ...proposeEach(raft, 1, 2n)];
  const after = sent.map(({ prevIndex }) => prevIndex);
  judge(after.join() === "51", {
    when: "52 to 54 are in flight, an append after 52 is rejected (hint 51); one more proposal",
    expected: "one append, after 51; then a wait for its reply",
    happened: after.length > 0 ? `appends after ${after.join(", ")}` : "no append",
    why: "entries were lost: what follows them would be rejected too (probe, replicate)",
  });
});

check("a follower that was paused learns the commit index with its acknowledgement", () => {
  const raft = longLog();
  const { term } = raft.state;
  raft.step(appended(2n, term, 51));
  work(raft);
  raft.step(appended(3n, term, 51));
  const first = sentTo(raft, 3n).map(({ commit }) => commit);
  judge(first.join() === "51", {
    when: "51 is committed with member 2, while member 3 is paused; then 3 acknowledges it",
    expected: "an append to member 3 with commit index 51, also without entries",
    happened: first.length > 0 ? `commit index ${first.join(", ")}` : "no append",
    why: "the commit was sent while it was paused: it would apply entry 51 a heartbeat later",
  });
  proposeEach(raft, 1, 3n);
  raft.step(appended(2n, term, 52));
  work(raft);
  raft.step(appended(3n, term, 52));
  const { length } = sentTo(raft, 3n);
  judge(length === 0, {
    when: "52 is committed with member 2, and sent so to both; then member 3 acknowledges it",
    expected: "no append: member 3 has the entry and its commit",
    happened: `${length} appends`,
    why: "an append for each reply doubles the messages of every write",
  });
});
