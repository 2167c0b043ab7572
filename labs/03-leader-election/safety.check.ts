import { initialMembership } from "@raft2kube/store/core/membership.ts";
import { judge } from "../judge.ts";
import type { LabCluster } from "../raft/cluster.ts";
import { agree, expectLeader, expectNoLeader, until } from "../raft/judged.ts";
import { ELECTION_MS } from "../raft/limits.ts";
import { scenario } from "../raft/scenario.ts";

const RUNS = 5;
/** Enough for a ballot among members that reach each other. */
const BALLOT_MS = 20;
const SLOW_DISK_MS = 50;

/** The only voter needs no other answer, and its disk is slow. */
scenario("the only voter leads once its vote is durable", { servers: 2, runs: RUNS }, (cluster) => {
  const [one] = cluster.servers;
  const membership = { ...initialMembership([1n]), learners: [2n] };
  for (const server of cluster.servers) {
    server.startWith({ term: 1, log: [1], commit: 1, membership });
  }
  one!.disk_ms = SLOW_DISK_MS;
  one!.campaign();
  until(cluster, "member 1 leads", () => one!.isLeader);
});

scenario("two candidates of one term ask the same voter", { servers: 3, runs: RUNS }, (cluster) => {
  expectOneOfTwoElected(cluster, {
    when: "members 1 and 2 campaign at the same time, and reach only member 3",
    expected: "member 3 votes for one of them, which leads term 1",
    why: "a vote that is not given, or not counted, leaves the cluster without a leader",
  });
});

/** Lets members 1 and 2, which do not reach each other, campaign at the same time. */
function expectOneOfTwoElected(
  cluster: LabCluster,
  judgement: { when: string; expected: string; why: string },
): void {
  const [one, two] = cluster.servers;
  cluster.cut(one!, two!);
  one!.campaign();
  two!.campaign();
  cluster.run(BALLOT_MS);
  const leaders = cluster.servers.filter(({ isLeader }) => isLeader);
  const happened = leaders.length === 0 ? "no member leads" : `${leaders.length} members lead`;
  judge(leaders.length === 1, { ...judgement, happened });
}

scenario("a voter crashes right after its vote", { servers: 3, runs: RUNS }, (cluster) => {
  const [one, two, three] = cluster.servers;
  cluster.cut(one!, two!);
  one!.campaign();
  until(cluster, "member 3 votes for member 1", () => three!.votedTerm === 1);
  three!.crash();
  three!.restart();
  two!.campaign();
  cluster.run(BALLOT_MS);
});

scenario("a candidate crashes right after its request", { servers: 3, runs: RUNS }, (cluster) => {
  const [one] = cluster.servers;
  one!.campaign();
  until(cluster, "member 1 asks for votes in term 1", () => one!.votedTerm === 1);
  one!.crash();
  one!.restart();
  cluster.run(BALLOT_MS);
});

scenario("a longer log of an older term is not elected", { servers: 3, runs: RUNS }, (cluster) => {
  const [one, two, three] = cluster.servers;
  one!.startWith({ term: 2, log: [1, 1, 1], commit: 1 });
  two!.startWith({ term: 2, log: [1, 2], commit: 2 });
  three!.startWith({ term: 2, log: [1, 2], commit: 2 });
  cluster.run(1);
  two!.crash();
  one!.campaign();
  const leader = expectLeader(cluster, "members 1 and 3 are up");
  judge(leader === three, {
    when: "member 1 has entries 1 1 1, member 3 has 1 2, of which 2 is committed",
    expected: "member 3 leads: its last term is newer",
    happened: `member ${leader.id} leads`,
    why: "a leader without a committed entry removes it from the others (Raft section 5.4.1)",
  });
});

/** Only by the request of member 3 does member 2 learn that member 3 votes. */
scenario("a vote request tells what is committed", { servers: 3, runs: RUNS }, (cluster) => {
  const [one, two, three] = cluster.servers;
  const steps = [{ action: "add-voter", member: 3n } as const];
  const change = { steps, transition: "auto", context: Buffer.alloc(0) } as const;
  const promote = { term: 1, data: Buffer.alloc(0), change };
  const membership = {
    voters: [1n, 2n],
    outgoing: [],
    learners: [3n],
    learnersNext: [],
    autoLeave: false,
  };
  one!.crash();
  two!.startWith({ term: 1, log: [1, promote, 1], commit: 1, membership });
  three!.startWith({ term: 1, log: [1, promote], commit: 2, membership });
  const leader = expectLeader(
    cluster,
    "entry 2 makes member 3 a voter; member 3 knows that it is committed, member 2 does not",
  );
  judge(leader === two, {
    when: "member 2 has the longer log, member 1 is down",
    expected: "member 2 leads, with the vote of member 3",
    happened: `member ${leader.id} leads`,
    why: "member 2 learns from the request of member 3 that it may ask member 3 for its vote",
  });
  agree(cluster, "after", { by: 2 });
});

scenario("half of the voters elect no leader", { servers: 4, runs: RUNS }, (cluster) => {
  const [one, two, three, four] = cluster.servers;
  for (const left of [one!, two!]) {
    for (const right of [three!, four!]) cluster.cut(left, right);
  }
  cluster.run(3 * ELECTION_MS);
  expectNoLeader(cluster, "four members, of which two and two reach each other, for three seconds");
});

scenario("while joint, new voters alone elect no leader", { servers: 4, runs: RUNS }, (cluster) => {
  const [one, two, three, four] = cluster.servers;
  const membership = { ...initialMembership([1n, 2n]), outgoing: [3n, 4n] };
  for (const server of [one!, two!]) {
    server.startWith({ term: 1, log: [1], commit: 1, membership });
  }
  for (const server of [three!, four!]) cluster.disconnect(server);
  cluster.run(3 * ELECTION_MS);
  expectNoLeader(cluster, "joint: the new voters 1 and 2 are connected, the old 3 and 4 are not");
});

scenario("a late answer to a pre-vote is no vote", { servers: 5, runs: RUNS }, (cluster) => {
  expectOneOfTwoElected(cluster, {
    when: "members 1 and 2 campaign at the same time, and reach members 3, 4 and 5",
    expected: "one of them has three of five votes, and leads term 1",
    why: "three voters and two candidates: one candidate has a majority (Raft section 5.2)",
  });
});
