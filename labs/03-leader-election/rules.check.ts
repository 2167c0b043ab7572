import { seededRandom } from "@raft2kube/std/random.ts";
import { majorityVote } from "@raft2kube/store/core/quorum.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { coreWith, work, yes } from "../raft/core.ts";
import { agree, expectLeader } from "../raft/judged.ts";
import { ELECTION_MS, ELECTION_TICKS, TICK_MS } from "../raft/limits.ts";
import { checkRules } from "../raft/rules.ts";
import { scenario } from "../raft/scenario.ts";

const RUNS = 20;

check("an election is won by more than half of the votes, lost when that is impossible", () => {
  const cases = [
    [0, 0, 0, "won"],
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
    // A vote granted by a non-voter must not count.
    const votes = new Map([[99n, true]]);
    ids.slice(0, yes).forEach((id) => votes.set(id, true));
    ids.slice(yes, yes + no).forEach((id) => votes.set(id, false));
    const outcome = majorityVote(new Set(ids), votes);
    judge(outcome === expected, {
      when: `${voters} voters: ${yes} granted, ${no} rejected; one vote granted by a non-voter`,
      expected,
      happened: outcome,
      why: "any two majorities share a member, so a term has one leader (Raft section 5.2)",
    });
  }
});

check("election timeouts differ from one election to the next", () => {
  const random = seededRandom(7);
  const drawn = Array.from({ length: 60 }, () => coreWith({ random }).state.electionTimeout);
  const [low, high] = [Math.min(...drawn), Math.max(...drawn)];
  judge(low >= ELECTION_TICKS && high < 2 * ELECTION_TICKS, {
    when: `60 members start, with electionTicks ${ELECTION_TICKS}`,
    expected: `timeouts of ${ELECTION_TICKS} to ${2 * ELECTION_TICKS - 1} ticks`,
    happened: `timeouts of ${low} to ${high} ticks`,
    why: "shorter timeouts depose healthy leaders, longer ones leave the cluster without a leader",
  });
  const different = new Set(drawn).size;
  judge(different > ELECTION_TICKS / 2, {
    when: "60 members start",
    expected: "timeouts distributed over that range",
    happened: `${different} different timeouts`,
    why: "members that time out together split the vote repeatedly (Raft section 5.2)",
  });
});

check("a candidate draws another election timeout", () => {
  const raft = coreWith({ random: seededRandom(7) });
  const drawn = Array.from({ length: ELECTION_TICKS }, () => {
    raft.campaign();
    work(raft);
    raft.step(yes(2n, raft.state.term + 1, true));
    work(raft);
    return raft.state.electionTimeout;
  });
  const different = new Set(drawn).size;
  judge(different > ELECTION_TICKS / 4, {
    when: `a member becomes candidate ${drawn.length} times, and is never elected`,
    expected: "a timeout drawn each time (enterTerm)",
    happened: `${different} different timeout${different === 1 ? "" : "s"}`,
    why: "two members that have drawn the same one would split each vote (Raft section 5.2)",
  });
});

checkRules(import.meta);

scenario(
  "a member that was disconnected does not disrupt the cluster",
  { servers: 3, runs: RUNS },
  (cluster) => {
    const leader = expectLeader(cluster, "three members start");
    agree(cluster, "before", { by: 3 });
    const { term } = leader;
    const away = cluster.servers.find((server) => server !== leader)!;
    cluster.disconnect(away);
    cluster.run(5 * ELECTION_MS);
    judge(away.term === term, {
      when: `member ${away.id} is disconnected for five seconds and times out repeatedly`,
      expected: `it stays in term ${term}: it sends only pre-votes`,
      happened: `it is in term ${away.term}`,
      why: "with a higher term it would depose a healthy leader (pre-vote, D 9.6)",
    });
    cluster.connect(away);
    agree(cluster, "after", { by: 3 });
    judge(leader.isLeader && leader.term === term, {
      when: `member ${away.id} is connected again`,
      expected: `member ${leader.id} remains leader in term ${term}`,
      happened: `term ${leader.term}, and it is ${leader.isLeader ? "" : "no longer "}leader`,
      why: "no writes are possible during an election",
    });
  },
);

scenario("a leader with one of two followers stays", { servers: 3, runs: RUNS }, (cluster) => {
  const leader = expectLeader(cluster, "three members start");
  const { term } = leader;
  cluster.disconnect(cluster.servers.find((server) => server !== leader)!);
  cluster.run(3 * ELECTION_TICKS * TICK_MS);
  judge(leader.isLeader && leader.term === term, {
    when: "one follower of two is disconnected for three election timeouts",
    expected: `member ${leader.id} remains leader in term ${term}: two of three are a majority`,
    happened: `term ${leader.term}, and it is ${leader.isLeader ? "" : "no longer "}leader`,
    why: "a cluster of three must survive the loss of one member (D 6.2)",
  });
});

scenario("a leader without a quorum steps down", { servers: 3, runs: RUNS }, (cluster) => {
  const leader = expectLeader(cluster, "three members start");
  cluster.run(ELECTION_MS);
  judge(leader.isLeader, {
    when: "all members are connected for a second",
    expected: `member ${leader.id} remains leader`,
    happened: "it stepped down",
    why: "followers that reply are a quorum; a reply counts for one election timeout",
  });
  cluster.disconnect(leader);
  cluster.run(3 * ELECTION_TICKS * TICK_MS);
  judge(!leader.isLeader, {
    when: `the leader, member ${leader.id}, is disconnected for three election timeouts`,
    expected: "it steps down",
    happened: `it is still leader of term ${leader.term}`,
    why: "its clients would wait without end, and it could return stale reads (D 6.2)",
  });
});
