import { judge } from "../judge.ts";
import type { LabCluster } from "../raft/cluster.ts";
import { agree, expectApplied, expectLeader, until } from "../raft/judged.ts";
import { ELECTION_MS } from "../raft/limits.ts";
import { scenario } from "../raft/scenario.ts";

const RUNS = 5;
const SLOW_DISK_MS = 50;

scenario("a command reaches all members", { servers: 3, runs: RUNS }, (cluster) => {
  agree(cluster, "first", { by: 3 });
  agree(cluster, "second", { by: 3 });
});

scenario("uncommitted entries of an old leader give way", { servers: 3, runs: RUNS }, (cluster) => {
  const [one, two, three] = cluster.servers;
  one!.startWith({ term: 2, log: [1, 1, 1], commit: 1 });
  two!.startWith({ term: 2, log: [1, 2], commit: 2 });
  three!.startWith({ term: 2, log: [1, 2], commit: 2 });
  two!.campaign();
  expectLeader(cluster, "member 1 has entries 1 1 1, members 2 and 3 have 1 2, all committed");
  expectApplied(cluster, 2, 3);
  agree(cluster, "after", { by: 3 });
});

/** Writes a command to three members, and disconnects one follower. */
function leaderWithOneFollower(cluster: LabCluster) {
  agree(cluster, "first", { by: 3 });
  const leader = expectLeader(cluster, "three members, a command written");
  const [one, other] = cluster.servers.filter((server) => server !== leader);
  cluster.disconnect(other!);
  return { leader, one: one!, other: other! };
}

scenario(
  "a follower crashes right after its acknowledgement",
  { servers: 3, runs: RUNS },
  (cluster) => {
    const { leader, one, other } = leaderWithOneFollower(cluster);
    const { index } = cluster.submit(leader, "second")!;
    until(cluster, `member ${one.id} acknowledges ${index}`, () => one.acknowledgedIndex >= index);
    one.crash();
    one.restart();
    cluster.connect(other);
    agree(cluster, "after", { by: 3 });
  },
);

scenario(
  "a leader with a slow disk crashes after a follower's answer",
  { servers: 3, runs: RUNS },
  (cluster) => {
    const { leader, one, other } = leaderWithOneFollower(cluster);
    leader.disk_ms = SLOW_DISK_MS;
    cluster.submit(leader, "second");
    cluster.run(SLOW_DISK_MS / 2);
    leader.crash();
    leader.disk_ms = one.disk_ms;
    cluster.disconnect(one);
    leader.restart();
    cluster.connect(other);
    expectLeader(cluster, `the leader has lost an entry that only member ${one.id} has on disk`);
    cluster.connect(one);
    agree(cluster, "after", { by: 3 });
  },
);

/** Member 3 has the term on its disk before it votes in it: only the vote changes. */
scenario("a vote in a known term outlives a crash", { servers: 3, runs: RUNS }, (cluster) => {
  const [one, two, three] = cluster.servers;
  one!.startWith({ term: 1, log: [1], commit: 1 });
  two!.startWith({ term: 1, log: [1], commit: 1 });
  three!.startWith({ term: 2, log: [1], commit: 1 });
  cluster.cut(one!, two!);
  one!.campaign();
  until(cluster, "member 3 votes for member 1 in term 2", () => three!.votedTerm === 2);
  three!.crash();
  three!.restart();
  two!.campaign();
  cluster.run(ELECTION_MS);
});

/** The member that is away casts no vote, so only the term changes its hard state. */
scenario(
  "a follower that has seen a term does not return to an older one",
  { servers: 3, runs: RUNS },
  (cluster) => {
    const absent = cluster.servers[2]!;
    cluster.disconnect(absent);
    const { term } = expectLeader(cluster, `member ${absent.id} is disconnected`);
    cluster.connect(absent);
    agree(cluster, "first", { by: 3 });
    absent.crash();
    absent.restart();
    judge(absent.term >= term, {
      when: `member ${absent.id} has acknowledged an entry of term ${term}, and restarts`,
      expected: `a term of at least ${term}`,
      happened: `term ${absent.term}`,
      why: "it obeys a leader of an older term again, which replaces what it acknowledged",
    });
    cluster.run(ELECTION_MS);
    agree(cluster, "after", { by: 3 });
  },
);
