import { randomInteger } from "@raft2kube/std/random.ts";
import { judge } from "../judge.ts";
import {
  connected,
  expectCount,
  expectLeader,
  expectNoLeader,
  expectSameTerm,
} from "../raft/judged.ts";
import { ELECTION_MS } from "../raft/limits.ts";
import { scenario } from "../raft/scenario.ts";

const FIRST_ELECTION_REQUESTS_MAX = 30;
const IDLE_SECOND_REQUESTS_MAX = 60;
const RUNS = 20;

scenario("3A initial election", { servers: 3, runs: RUNS }, (cluster) => {
  expectLeader(cluster, "three members start with empty logs");
  const first = cluster.network.requests;
  const term = expectSameTerm(cluster, "half a second after the first election");
  judge(term >= 1, {
    when: "the first leader is elected",
    expected: "a term of at least 1",
    happened: `term ${term}`,
    why: "term 0 is the term before the first election; each election starts a new term",
  });
  cluster.run(2 * ELECTION_MS);
  const later = expectSameTerm(cluster, "two idle seconds later");
  judge(later === term, {
    when: "two seconds without any failure",
    expected: `the term stays ${term}`,
    happened: `it is ${later}: there was another election`,
    why: "a leader's heartbeats must reset every follower's election timer (Raft section 5.2)",
  });
  expectLeader(cluster, "two idle seconds after the election");
  judge(first > 0, {
    when: "the first election",
    expected: "RequestVote messages",
    happened: "no message was sent",
    why: "a member that has only its own vote is no leader",
  });
});

scenario("3A re-election after network failure", { servers: 3, runs: RUNS }, (cluster) => {
  const first = expectLeader(cluster, "three members start");
  cluster.disconnect(first);
  const second = expectLeader(cluster, `the leader, member ${first.id}, is disconnected`);
  cluster.connect(first);
  const still = expectLeader(cluster, `member ${first.id} is connected again`);
  judge(still.id === second.id, {
    when: `the deposed leader, member ${first.id}, is connected again`,
    expected: `member ${second.id} remains leader`,
    happened: `member ${still.id} is leader now`,
    why: "during an election no writes are possible; pre-vote avoids needless ones (D 9.6)",
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
    why: "members that campaign too often, or all at once, split the vote (Raft section 5.2)",
  });
  cluster.run(ELECTION_MS);
  const before = cluster.network.requests;
  cluster.run(1_000);
  expectCount({
    what: "requests sent in one idle second, three members",
    count: cluster.network.requests - before,
    min: 1,
    max: IDLE_SECOND_REQUESTS_MAX,
    why: "heartbeats only show that the leader is alive: ten or twenty a second are enough",
  });
});
