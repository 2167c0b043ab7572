import { seededRandom } from "@raft2kube/std/random.ts";
import { majorityVote } from "@raft2kube/store/core/quorum.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { type CoreState, append, askVote, coreWith, work } from "../raft/core.ts";
import { agree, expectLeader } from "../raft/judged.ts";
import { ELECTION_MS, ELECTION_TICKS, TICK_MS } from "../raft/limits.ts";
import { scenario } from "../raft/scenario.ts";

const RUNS = 20;

check("a ballot is won by more than half, and lost when that is out of reach", () => {
  const cases = [
    [1, 1, 0, "won"],
    [2, 1, 0, "pending"],
    [2, 1, 1, "lost"],
    [3, 1, 0, "pending"],
    [3, 1, 1, "pending"],
    [3, 2, 0, "won"],
    [3, 1, 2, "lost"],
    [4, 2, 0, "pending"],
    [4, 2, 2, "lost"],
    [5, 2, 2, "pending"],
    [5, 3, 0, "won"],
  ] as const;
  for (const [voters, yes, no, expected] of cases) {
    const ids = Array.from({ length: voters }, (_, i) => BigInt(i + 1));
    // Somebody who is no voter says yes: it must not count.
    const votes = new Map([[99n, true]]);
    ids.slice(0, yes).forEach((id) => votes.set(id, true));
    ids.slice(yes, yes + no).forEach((id) => votes.set(id, false));
    const outcome = majorityVote(new Set(ids), votes);
    judge(outcome === expected, {
      when: `${voters} voters, ${yes} say yes and ${no} no, and one who is no voter says yes`,
      expected,
      happened: outcome,
      why: "any two majorities share a member: so a term has one leader (Raft section 5.2)",
    });
  }
});

check("election timeouts differ, from one time to the next", () => {
  const random = seededRandom(7);
  const drawn = Array.from({ length: 60 }, () => coreWith({ random }).state.electionTimeout);
  const [low, high] = [Math.min(...drawn), Math.max(...drawn)];
  judge(low >= ELECTION_TICKS && high < 2 * ELECTION_TICKS, {
    when: `60 members start, with electionTicks ${ELECTION_TICKS}`,
    expected: `timeouts of ${ELECTION_TICKS} to ${2 * ELECTION_TICKS - 1} ticks`,
    happened: `of ${low} to ${high}`,
    why: "shorter ones depose leaders that are well, longer ones leave the cluster without one",
  });
  const different = new Set(drawn).size;
  judge(different > ELECTION_TICKS / 2, {
    when: "60 members start",
    expected: "timeouts all over that range",
    happened: `${different} different ones`,
    why: "members that time out together split the vote, again and again (Raft section 5.2)",
  });
});

check("a vote is given once in a term", () => {
  const raft = coreWith({ term: 1, log: [1] });
  raft.step(askVote(2n, 2, { index: 1, term: 1 }));
  raft.step(askVote(3n, 2, { index: 1, term: 1 }));
  raft.step(askVote(2n, 2, { index: 1, term: 1 }));
  const { now, afterDisk } = work(raft);
  const granted = [...now, ...afterDisk].flatMap((message) => {
    return message.kind === "vote-reply" && message.granted ? [message.to] : [];
  });
  judge(granted.includes(2n) && !granted.includes(3n), {
    when: "members 2 and 3 ask for the vote in term 2, then 2 asks again: its answer was lost",
    expected: "yes to member 2, each time; no to member 3",
    happened: granted.length === 0 ? "no to everybody" : `yes to ${granted.join(" and ")}`,
    why: "with two votes of one member both may reach a majority: two leaders of one term",
  });
});

check("a vote leaves only once it is on disk", () => {
  const raft = coreWith({ term: 1, log: [1] });
  raft.step(askVote(2n, 2, { index: 1, term: 1 }));
  const { now, writes } = work(raft);
  const early = now.some((message) => message.kind === "vote-reply" && message.granted);
  judge(!early, {
    when: "member 2 asks for the vote in term 2",
    expected: "the yes waits for the disk: sendAfterPersist",
    happened: "it was sent at once",
    why: "crashed and back without having noted it, the member votes again in the same term",
  });
  const noted = writes.some(({ hardState }) => hardState?.term === 2 && hardState.vote === 2n);
  judge(noted, {
    when: "member 2 asks for the vote in term 2",
    expected: "term 2 and the vote for member 2 in what is written",
    happened: JSON.stringify(writes.map(({ hardState }) => `term ${hardState?.term}`)),
    why: "term and vote are what a member must not forget (Raft figure 2)",
  });
});

check("nobody votes for a log that lacks entries", () => {
  const ours: CoreState = { term: 3, log: [1, 1, 2] };
  const cases = [
    [3, 2, true, "the same log"],
    [4, 2, true, "one entry more"],
    [2, 2, false, "one entry less of the same term"],
    [9, 1, false, "many entries more, but of an older term"],
    [1, 3, true, "fewer entries, but of a newer term"],
  ] as const;
  for (const [index, term, expected, what] of cases) {
    const raft = coreWith(ours);
    raft.step(askVote(2n, 4, { index, term }));
    const { now, afterDisk } = work(raft);
    const granted = [...now, ...afterDisk].some((message) => {
      return message.kind === "vote-reply" && message.granted;
    });
    judge(granted === expected, {
      when: `our log ends at 3/2, the candidate's at ${index}/${term}: ${what}`,
      expected: expected ? "yes" : "no",
      happened: granted ? "yes" : "no",
      why: "a leader must have every committed entry (Leader Completeness, Raft section 5.4.1)",
    });
  }
});

check("nobody helps to depose a leader that is in office", () => {
  const raft = coreWith({ term: 1 });
  raft.step(append(2n, 1, { index: 0, term: 0 }, [1]));
  work(raft);
  raft.step(askVote(3n, 5, { index: 9, term: 1 }));
  const asked = work(raft);
  const answers = asked.now.length + asked.afterDisk.length;
  judge(raft.state.term === 1 && answers === 0, {
    when: "member 3 asks for the vote in term 5, a moment after the leader was heard from",
    expected: "it is not even answered, and the term stays 1",
    happened: `the term is ${raft.state.term}, answers: ${answers}`,
    why: "one who merely lost sight of the leader would depose it (dissertation section 4.2.3)",
  });
  raft.step({ ...askVote(3n, 5, { index: 9, term: 1 }), transfer: true });
  const { afterDisk } = work(raft);
  const granted = afterDisk.some((message) => message.kind === "vote-reply" && message.granted);
  judge(granted, {
    when: "the same, but the leader itself hands over to member 3 (transfer)",
    expected: "yes",
    happened: "no",
    why: "a leadership that cannot be handed over makes every restart an outage (D 3.10)",
  });
});

scenario(
  "a member that was cut off disturbs nobody on its return",
  { servers: 3, runs: RUNS },
  (cluster) => {
    const leader = expectLeader(cluster, "three members start");
    agree(cluster, "before", { by: 3 });
    const { term } = leader;
    const away = cluster.servers.find((server) => server !== leader)!;
    cluster.disconnect(away);
    cluster.run(5 * ELECTION_MS);
    judge(away.term === term, {
      when: `member ${away.id} is cut off for five seconds, and times out again and again`,
      expected: `it stays in term ${term}: it only asks whether it would be elected`,
      happened: `it is in term ${away.term}`,
      why: "back with a higher term it would depose a leader that is well (pre-vote, D 9.6)",
    });
    cluster.connect(away);
    agree(cluster, "after", { by: 3 });
    judge(leader.isLeader && leader.term === term, {
      when: `member ${away.id} is connected again`,
      expected: `member ${leader.id} goes on leading in term ${term}`,
      happened: `term ${leader.term}, and it is ${leader.isLeader ? "" : "no longer "}leader`,
      why: "every needless election is a moment in which nothing can be written",
    });
  },
);

scenario("a leader that reaches no majority steps down", { servers: 3, runs: RUNS }, (cluster) => {
  const leader = expectLeader(cluster, "three members start");
  cluster.run(ELECTION_MS);
  judge(leader.isLeader, {
    when: "all are connected, for a second",
    expected: `member ${leader.id} goes on leading`,
    happened: "it stepped down",
    why: "followers that answer are a quorum; each answer counts for one election timeout",
  });
  cluster.disconnect(leader);
  cluster.run(3 * ELECTION_TICKS * TICK_MS);
  judge(!leader.isLeader, {
    when: `member ${leader.id} leads and is cut off, for three election timeouts`,
    expected: "it steps down",
    happened: `it still calls itself leader of term ${leader.term}`,
    why: "its clients would wait for ever, and it could answer reads that are old (D 6.2)",
  });
});
