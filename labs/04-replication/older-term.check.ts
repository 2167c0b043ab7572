import { judge } from "../judge.ts";
import type { LabCluster } from "../raft/cluster.ts";
import { agree, expectLeader } from "../raft/judged.ts";
import { ELECTION_MS } from "../raft/limits.ts";
import { scenario } from "../raft/scenario.ts";
import type { Server } from "../raft/server.ts";

const STEP_MS = 0.05;
const UNTIL_MS_MAX = 4 * ELECTION_MS;
const RUNS = 20;

/** Lets time pass in small steps until a condition holds. */
function until(cluster: LabCluster, when: string, condition: () => boolean): void {
  const begun_ms = cluster.now_ms;
  while (!condition()) {
    judge(cluster.now_ms - begun_ms < UNTIL_MS_MAX, {
      when,
      expected: `within ${UNTIL_MS_MAX / 1_000} s`,
      happened: "it did not happen",
      why: "the next step of figure 8 needs it",
    });
    cluster.run(STEP_MS);
  }
}

/** Connects exactly these members. */
function connectOnly(cluster: LabCluster, wanted: readonly Server[]): void {
  for (const server of cluster.servers) {
    if (!wanted.includes(server)) cluster.disconnect(server);
    else if (!server.connected) cluster.connect(server);
  }
}

function termOnDisk({ member: { disk } }: Server, index: number): number | undefined {
  return disk.entries[index - disk.base.index - 1]?.term;
}

/**
 * The paper's figure 8 with its members' names: S1 leads, then S5, then S1 again, then S5. Each
 * append has one entry.
 */
scenario("figure 8, step by step", { servers: 5, runs: RUNS, appendBytes_max: 1 }, (cluster) => {
  agree(cluster, "first", { by: 5 });
  const s1 = expectLeader(cluster, "five members start");
  const [s2, s3, s4, s5] = cluster.servers.filter((server) => server !== s1) as [
    Server,
    Server,
    Server,
    Server,
  ];
  // (a) S1 replicates an entry to S2 only.
  connectOnly(cluster, [s1, s2]);
  const { index } = cluster.submit(s1, "of the first term")!;
  until(cluster, `entry ${index} on the disks of two`, () => !!termOnDisk(s2, index));
  s1.crash();
  // (b) S5 is elected by S3 and S4, and writes another entry to its own disk alone.
  connectOnly(cluster, [s3, s4, s5]);
  const newer = () => [s3, s4, s5].find(({ isLeader }) => isLeader);
  until(cluster, "the three others elect a leader", () => newer() !== undefined);
  const second = newer()!;
  cluster.disconnect(second);
  until(cluster, `entry ${index} on its own disk`, () => !!termOnDisk(second, index));
  second.crash();
  const [third, fourth] = [s3, s4, s5].filter((server) => server !== second) as [Server, Server];
  // (c) S1 is elected again, by S2 and S3, and replicates its entry to S3: a majority has it.
  s1.restart();
  connectOnly(cluster, [s1, s2, third]);
  const again = () => [s1, s2].find(({ isLeader }) => isLeader);
  until(cluster, "one of the first two is elected", () => again() !== undefined);
  const leader = again()!;
  const matchOf = () => leader.member.raft.leading?.progress.get(third.id)?.match ?? 0;
  until(cluster, `entry ${index} on the disks of three`, () => matchOf() >= index);
  leader.crash();
  // (d) S5 is elected by S3 and S4, whose logs end in older terms, and overwrites the entry.
  second.restart();
  connectOnly(cluster, [second, third, fourth]);
  agree(cluster, "of the second leader", { by: 3 });
  for (const server of cluster.servers) {
    if (!server.up) server.restart();
    cluster.connect(server);
  }
  agree(cluster, "last", { by: 5 });
});
