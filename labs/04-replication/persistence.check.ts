import { pick, randomInteger } from "@raft2kube/std/random.ts";
import { playChurn } from "../raft/churn.ts";
import type { LabCluster } from "../raft/cluster.ts";
import { agree, expectApplied, expectLeader } from "../raft/judged.ts";
import { ELECTION_MS } from "../raft/limits.ts";
import { scenario } from "../raft/scenario.ts";
import type { Server } from "../raft/server.ts";

const RUNS = 5;
const OLDER_TERM_ROUNDS = 60;
const OLDER_TERM_PAUSE_MS = 2;
const UNRELIABLE_ROUNDS = 200;
const REORDERING_FROM = 40;

/** All members in ring order, from `server` on. */
function ring(cluster: LabCluster, server: Server): Server[] {
  const { servers } = cluster;
  const at = servers.indexOf(server);
  return [...servers.slice(at), ...servers.slice(0, at)];
}

scenario("3C basic persistence", { servers: 3, runs: RUNS }, (cluster) => {
  agree(cluster, "11", { by: 3 });
  for (const server of cluster.servers) server.crash();
  for (const server of cluster.servers) server.restart();
  agree(cluster, "12", { by: 3 });
  const first = expectLeader(cluster, "all three members have restarted");
  first.crash();
  first.restart();
  agree(cluster, "13", { by: 3 });
  const second = expectLeader(cluster, "the leader has restarted");
  second.crash();
  const index = agree(cluster, "14", { by: 2 });
  second.restart();
  expectApplied(cluster, index, 3);
  const leader = expectLeader(cluster, "another leader has restarted");
  const third = ring(cluster, leader)[1]!;
  third.crash();
  agree(cluster, "15", { by: 2 });
  third.restart();
  agree(cluster, "16", { by: 3 });
});

scenario("3C more persistence", { servers: 5, runs: RUNS }, (cluster) => {
  for (let round = 0; round < 5; round++) {
    agree(cluster, `${round} all`, { by: 5 });
    const leader = expectLeader(cluster, "five members are connected");
    const [one, two, three, four, five] = ring(cluster, leader) as [
      Server,
      Server,
      Server,
      Server,
      Server,
    ];
    for (const server of [two, three]) server.crash();
    agree(cluster, `${round} three`, { by: 3 });
    for (const server of [one, four, five]) server.crash();
    for (const server of [two, three]) server.restart();
    cluster.run(ELECTION_MS);
    four.restart();
    agree(cluster, `${round} other three`, { by: 3 });
    for (const server of [five, one]) server.restart();
  }
  agree(cluster, "last", { by: 5 });
});

scenario(
  "3C partitioned leader and one follower crash, leader restarts",
  { servers: 3, runs: RUNS },
  (cluster) => {
    agree(cluster, "101", { by: 3 });
    const leader = expectLeader(cluster, "three members, a command written");
    const [, one, two] = ring(cluster, leader) as [Server, Server, Server];
    cluster.disconnect(two);
    agree(cluster, "102", { by: 2 });
    for (const server of [leader, one]) server.crash();
    cluster.connect(two);
    leader.restart();
    agree(cluster, "103", { by: 2 });
    one.restart();
    agree(cluster, "104", { by: 3 });
  },
);

/** Leaders crash while they replicate, as in the paper's figure 8; three members stay up. */
scenario("3C figure 8", { servers: 5, runs: RUNS, appendBytes_max: 1 }, (cluster) => {
  agree(cluster, "first", { by: 1 });
  for (let round = 0; round < OLDER_TERM_ROUNDS; round++) {
    const leader = awaitLeader(cluster);
    if (leader) {
      cluster.submit(leader, `${round}`);
      // So short that the entry may be on the leader's disk alone, or on some disks but not all.
      cluster.run(cluster.random.next() * OLDER_TERM_PAUSE_MS);
      leader.crash();
    }
    const down = cluster.servers.filter(({ up }) => !up);
    if (down.length > 2) pick(cluster.random, down).restart();
  }
  for (const server of cluster.servers.filter(({ up }) => !up)) server.restart();
  agree(cluster, "last", { by: 5 });
});

/** Returns the leader as soon as one is elected, while it sends its first messages. */
function awaitLeader(cluster: LabCluster): Server | undefined {
  const begun_ms = cluster.now_ms;
  while (cluster.now_ms - begun_ms < ELECTION_MS) {
    const leader = cluster.servers.find(({ isLeader }) => isLeader);
    if (leader) return leader;
    cluster.run(cluster.random.next());
  }
  return undefined;
}

scenario(
  "3C unreliable agreement",
  { servers: 5, runs: RUNS, quality: "unreliable" },
  (cluster) => {
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 4; i++) proposeAtLeaders(cluster, `${round}.${i}`);
      agree(cluster, `${round}`, { by: 1 });
    }
    cluster.network.quality = "reliable";
    agree(cluster, "last", { by: 5 });
  },
);

scenario(
  "3C figure 8 (unreliable)",
  { servers: 5, runs: RUNS, quality: "unreliable" },
  (cluster) => {
    agree(cluster, "first", { by: 1 });
    for (let round = 0; round < UNRELIABLE_ROUNDS; round++) {
      if (round === REORDERING_FROM) cluster.network.quality = "reordering";
      const leader = proposeAtLeaders(cluster, `${round}`);
      cluster.run(randomPause_ms(cluster));
      const cut = leader && cluster.random.next() < 0.5;
      if (cut) cluster.disconnect(leader);
      const away = cluster.servers.filter(({ connected }) => !connected);
      if (away.length > 2) cluster.connect(pick(cluster.random, away));
    }
    for (const server of cluster.servers.filter(({ connected }) => !connected)) {
      cluster.connect(server);
    }
    agree(cluster, "last", { by: 5 });
  },
);

scenario("3C churn", { servers: 5, runs: RUNS }, playChurn);

scenario("3C unreliable churn", { servers: 5, runs: RUNS, quality: "unreliable" }, playChurn);

/** Proposes to every member that is leader of some term; returns the last of them. */
function proposeAtLeaders(cluster: LabCluster, command: string): Server | undefined {
  return cluster.servers.filter((server) => cluster.submit(server, command)).at(-1);
}

/** A random pause: usually too short for an agreement, sometimes long enough for an election. */
function randomPause_ms(cluster: LabCluster): number {
  const long = cluster.random.next() < 0.1;
  return randomInteger(cluster.random, 0, long ? ELECTION_MS / 2 : 13);
}
