import { randomInteger } from "@raft2kube/std/random.ts";
import {
  connected,
  expectCount,
  expectLeader,
  expectNoLeader,
  expectSameTerm,
} from "../raft/judged.ts";
import { ELECTION_MS } from "../raft/limits.ts";
import { scenario } from "../raft/scenario.ts";
import { judge } from "../judge.ts";

const FIRST_ELECTION_REQUESTS_MAX = 30;
const IDLE_SECOND_REQUESTS_MAX = 60;
const RUNS = 20;

scenario("3A initial election", { servers: 3, runs: RUNS }, (cluster) => {
  expectLeader(cluster, "three members start with empty logs");
  const first = cluster.network.requests;
  const term = expectSameTerm(cluster, "half a second after the first election");
  judge(term >= 1, {
    when: "the first leader is in office",
    expected: "a term of at least 1",
    happened: `term ${term}`,
    why: "term 0 is that of a log without entries; an election always begins a new one",
  });
  cluster.run(2 * ELECTION_MS);
  const later = expectSameTerm(cluster, "two quiet seconds later");
  judge(later === term, {
    when: "two seconds without any failure",
    expected: `the term stays ${term}`,
    happened: `it is ${later}: there was another election`,
    why: "a leader's heartbeats must keep everybody's timer from running out (Raft section 5.2)",
  });
  expectLeader(cluster, "two quiet seconds after the election");
  judge(first > 0, {
    when: "the first election",
    expected: "requests for votes",
    happened: "not a message was sent",
    why: "who votes only for itself is no leader",
  });
});

scenario("3A re-election after network failure", { servers: 3, runs: RUNS }, (cluster) => {
  const first = expectLeader(cluster, "three members start");
  cluster.disconnect(first);
  const second = expectLeader(cluster, `the leader, member ${first.id}, is cut off`);
  cluster.connect(first);
  const still = expectLeader(cluster, `member ${first.id} comes back`);
  judge(still.id === second.id, {
    when: `the deposed leader, member ${first.id}, comes back`,
    expected: `member ${second.id} goes on leading`,
    happened: `member ${still.id} leads now`,
    why: "every election costs a moment without writes; pre-vote exists to spare it (D 9.6)",
  });
  cluster.disconnect(second);
  const other = cluster.servers.find((server) => server !== second)!;
  cluster.disconnect(other);
  cluster.run(2 * ELECTION_MS);
  expectNoLeader(cluster, "one member of three is connected, for two seconds");
  cluster.connect(other);
  expectLeader(cluster, "two of three are connected again");
  cluster.connect(second);
  expectLeader(cluster, "all are connected again");
});

scenario("3A many elections", { servers: 7, runs: RUNS }, (cluster) => {
  expectLeader(cluster, "seven members start");
  for (let round = 1; round <= 10; round++) {
    const away = new Set<number>();
    while (away.size < 3) away.add(randomInteger(cluster.random, 0, 7));
    for (const i of away) cluster.disconnect(cluster.servers[i]!);
    expectLeader(cluster, `round ${round}: four of seven are connected`);
    for (const i of away) cluster.connect(cluster.servers[i]!);
  }
  expectLeader(cluster, "all seven are connected again");
});

scenario("the course's limits on messages", { servers: 3, runs: RUNS }, (cluster) => {
  while (!connected(cluster).some(({ isLeader }) => isLeader)) cluster.run(10);
  expectCount({
    what: "requests sent until the first leader was elected, three members",
    count: cluster.network.requests,
    min: 1,
    max: FIRST_ELECTION_REQUESTS_MAX,
    why: "members that ask over and over, or all at once, split the vote (Raft section 5.2)",
  });
  cluster.run(ELECTION_MS);
  const before = cluster.network.requests;
  cluster.run(1_000);
  expectCount({
    what: "requests sent in one idle second, three members",
    count: cluster.network.requests - before,
    min: 1,
    max: IDLE_SECOND_REQUESTS_MAX,
    why: "heartbeats are for telling that the leader lives, ten or twenty times a second",
  });
});
