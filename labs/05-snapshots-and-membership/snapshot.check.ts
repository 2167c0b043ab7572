import { randomInteger } from "@raft2kube/std/random.ts";
import { judge } from "../judge.ts";
import type { LabCluster } from "../raft/cluster.ts";
import { agree, expectCount, expectLeader } from "../raft/judged.ts";
import { type ScenarioOptions, scenario } from "../raft/scenario.ts";

const RUNS = 5;
const ROUNDS = 30;
const SNAPSHOT_EVERY = 10;
const LOG_BYTES_MAX = 2_000;

type Trouble = "none" | "disconnect" | "crash";

function play(trouble: Trouble): (cluster: LabCluster) => void {
  return (cluster) => {
    agree(cluster, "first", { by: 3 });
    let leader = expectLeader(cluster, "three members, a command written");
    for (let round = 0; round < ROUNDS; round++) {
      const at = cluster.servers.indexOf(leader);
      const follower = cluster.servers[(at + 1) % 3]!;
      // Every third time the leader misses the entries, and needs the snapshot.
      const [sender, victim] = round % 3 === 1 ? [follower, leader] : [leader, follower];
      if (trouble === "disconnect") cluster.disconnect(victim);
      if (trouble === "crash") victim.crash();
      const all = trouble === "none" ? 3 : 2;
      if (trouble !== "none") agree(cluster, `${round} without`, { by: 2 });
      const count = randomInteger(cluster.random, SNAPSHOT_EVERY / 2, 1.5 * SNAPSHOT_EVERY);
      for (let i = 0; i < count; i++) cluster.submit(sender, `${round}.${i}`);
      agree(cluster, `${round} more`, { by: all });
      expectSmallLogs(cluster);
      if (trouble === "disconnect") cluster.connect(victim);
      if (trouble === "crash") victim.restart();
      if (trouble !== "none") {
        agree(cluster, `${round} together`, { by: 3 });
        leader = expectLeader(cluster, `member ${victim.id} is back`);
      }
    }
  };
}

function expectSmallLogs(cluster: LabCluster): void {
  for (const server of cluster.servers) {
    if (!server.up || !server.connected) continue;
    expectCount({
      what: `bytes of log on disk of ${server.id}, a snapshot every ${SNAPSHOT_EVERY} entries`,
      count: server.logBytes,
      max: LOG_BYTES_MAX,
      why: "a log that is never compacted fills the disk and is replayed at every restart (Raft 7)",
    });
  }
}

const snapshots: ScenarioOptions = { servers: 3, runs: RUNS, snapshotEvery: SNAPSHOT_EVERY };
const unreliable: ScenarioOptions = { ...snapshots, quality: "unreliable" };

scenario("3D snapshots basic", snapshots, play("none"));
scenario("3D install snapshots (disconnect)", snapshots, play("disconnect"));
scenario("3D install snapshots (disconnect, unreliable)", unreliable, play("disconnect"));
scenario("3D install snapshots (crash)", snapshots, play("crash"));
scenario("3D install snapshots (crash, unreliable)", unreliable, play("crash"));

scenario("3D crash and restart all servers", snapshots, (cluster) => {
  agree(cluster, "first", { by: 3 });
  for (let round = 0; round < 5; round++) {
    const leader = expectLeader(cluster, "three members are connected");
    for (let i = 0; i < SNAPSHOT_EVERY; i++) cluster.submit(leader, `${round}.${i}`);
    const before = agree(cluster, `${round} before`, { by: 3 });
    crashAll(cluster);
    const after = agree(cluster, `${round} after`, { by: 3 });
    judge(after > before, {
      when: `all members crash after entry ${before} was applied, and restart`,
      expected: `the next command in an entry after ${before}`,
      happened: `in entry ${after}`,
      why: "a member's state is its snapshot and its log: a restart needs both",
    });
  }
});

scenario("3D snapshot initialization after crash", snapshots, (cluster) => {
  agree(cluster, "first", { by: 3 });
  const leader = expectLeader(cluster, "three members, a command written");
  for (let i = 0; i < SNAPSHOT_EVERY; i++) cluster.submit(leader, `before ${i}`);
  agree(cluster, "behind the snapshot", { by: 3 });
  crashAll(cluster);
  // One more write, so that something is written to disk without another snapshot.
  agree(cluster, "after the first crash", { by: 3 });
  crashAll(cluster);
  agree(cluster, "after the second crash", { by: 3 });
  const commands = cluster.servers[0]!.member.applied.map(({ command }) => command);
  judge(commands.includes("first") && commands.includes("before 9"), {
    when: "a member restarts twice from its snapshot and log",
    expected: "the state of the snapshot, then the entries of the log",
    happened: `the state has ${commands.length} commands: ${commands.slice(0, 5)}, ...`,
    why: "after compaction only the snapshot has its entries' effects",
  });
});

function crashAll(cluster: LabCluster): void {
  for (const server of cluster.servers) server.crash();
  for (const server of cluster.servers) server.restart();
}
