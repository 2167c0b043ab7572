import { judge } from "../judge.ts";
import type { LabCluster } from "../raft/cluster.ts";
import {
  agree,
  expectApplied,
  expectCount,
  expectLeader,
  expectNotApplied,
} from "../raft/judged.ts";
import { ELECTION_MS, HEARTBEAT_TICKS, TICK_MS } from "../raft/limits.ts";
import { scenario } from "../raft/scenario.ts";
import type { Server } from "../raft/server.ts";

const RUNS = 10;
const COMMAND_BYTES = 5_000;
const BYTES_SLACK = 50_000;
const COUNTED_COMMANDS = 10;
const BACKUP_COMMANDS = 50;
/** The course allows 42, (10 + 1 + 3) x 3, with a request for each command. */
const BATCH_REQUESTS_MAX = 12;
/** Conflicting logs of three terms: a step for each term and follower, and some slack. */
const REJECTIONS_MAX = 24;

function submitAtLeader(cluster: LabCluster, leader: Server, command: string) {
  const taken = cluster.submit(leader, command);
  if (taken) return taken;
  return judge(false, {
    when: `"${command}" is proposed at the leader, member ${leader.id}`,
    expected: "the leader appends it to its log",
    happened: "it is no longer leader, or rejects the proposal",
    why: "a leader accepts proposals until it steps down",
  });
}

/** The members after `server`, in ring order: the course calls them leader + 1, + 2, ... */
function others(cluster: LabCluster, server: Server): Server[] {
  const { servers } = cluster;
  const at = servers.indexOf(server);
  return [...servers.slice(at + 1), ...servers.slice(0, at)];
}

scenario("3B basic agreement", { servers: 3, runs: RUNS }, (cluster) => {
  expectLeader(cluster, "three members start");
  const indexes = ["100", "200", "300"].map((command) => agree(cluster, command, { by: 3 }));
  judge(indexes[1] === indexes[0]! + 1 && indexes[2] === indexes[1] + 1, {
    when: "three commands are written, one after the other, under one leader",
    expected: "three consecutive entries",
    happened: `entries ${indexes}`,
    why: "an entry between them is a command that was lost or written twice",
  });
});

scenario("3B RPC byte count", { servers: 3, runs: RUNS }, (cluster) => {
  agree(cluster, "99", { by: 3 });
  const before = cluster.network.bytes;
  for (let i = 0; i < COUNTED_COMMANDS; i++) {
    agree(cluster, String(i).padEnd(COMMAND_BYTES, "x"), { by: 3 });
  }
  expectCount({
    what: `bytes sent for ${COUNTED_COMMANDS} commands of ${COMMAND_BYTES} bytes, three members`,
    count: cluster.network.bytes - before,
    max: 3 * COUNTED_COMMANDS * COMMAND_BYTES + BYTES_SLACK,
    why: "a command is sent once to each follower; acknowledged entries are not sent again",
  });
});

scenario("3B failure of followers", { servers: 3, runs: RUNS }, (cluster) => {
  agree(cluster, "101", { by: 3 });
  const leader = expectLeader(cluster, "three members, a command written");
  const [first, second] = others(cluster, leader);
  cluster.disconnect(first!);
  agree(cluster, "102", { by: 2 });
  cluster.run(ELECTION_MS);
  agree(cluster, "103", { by: 2 });
  cluster.disconnect(second!);
  const { index } = submitAtLeader(cluster, leader, "104");
  cluster.run(2 * ELECTION_MS);
  expectNotApplied(cluster, index, "the leader of three is alone when it appends a command");
});

scenario("3B failure of leaders", { servers: 3, runs: RUNS }, (cluster) => {
  agree(cluster, "101", { by: 3 });
  cluster.disconnect(expectLeader(cluster, "three members, a command written"));
  agree(cluster, "102", { by: 2 });
  cluster.run(ELECTION_MS);
  agree(cluster, "103", { by: 2 });
  const second = expectLeader(cluster, "the first leader is disconnected");
  const { index } = submitAtLeader(cluster, second, "104");
  cluster.disconnect(second);
  cluster.run(2 * ELECTION_MS);
  expectNotApplied(cluster, index, "the second leader is disconnected as it appends a command");
});

scenario("3B agreement after a follower reconnects", { servers: 3, runs: RUNS }, (cluster) => {
  agree(cluster, "101", { by: 3 });
  const leader = expectLeader(cluster, "three members, a command written");
  const follower = others(cluster, leader)[0]!;
  cluster.disconnect(follower);
  for (const command of ["102", "103"]) agree(cluster, command, { by: 2 });
  cluster.run(ELECTION_MS);
  for (const command of ["104", "105"]) agree(cluster, command, { by: 2 });
  cluster.connect(follower);
  agree(cluster, "106", { by: 3 });
  cluster.run(ELECTION_MS);
  agree(cluster, "107", { by: 3 });
});

scenario(
  "3B no agreement if too many followers disconnect",
  { servers: 5, runs: RUNS },
  (cluster) => {
    agree(cluster, "10", { by: 5 });
    const leader = expectLeader(cluster, "five members, a command written");
    const away = others(cluster, leader).slice(0, 3);
    for (const server of away) cluster.disconnect(server);
    const { index } = submitAtLeader(cluster, leader, "20");
    cluster.run(2 * ELECTION_MS);
    expectNotApplied(cluster, index, "three of five are disconnected at the proposal");
    for (const server of away) cluster.connect(server);
    expectLeader(cluster, "all five are connected again");
    agree(cluster, "1000", { by: 5 });
  },
);

scenario("3B concurrent proposals", { servers: 3, runs: RUNS }, (cluster) => {
  const leader = expectLeader(cluster, "three members start");
  const taken = ["1", "2", "3", "4", "5"].map((command) => {
    return submitAtLeader(cluster, leader, command);
  });
  for (const { index } of taken) expectApplied(cluster, index, 3);
  const found = taken.map(({ index }) => leader.member.applied[index - 1]?.command);
  judge(found.join() === "1,2,3,4,5", {
    when: "five commands are proposed at the same time",
    expected: "1, 2, 3, 4, 5 in the entries that propose() returned",
    happened: `${found.join(", ")}`,
    why: "a client gets its reply when the entry that propose() returned is applied",
  });
});

scenario("3B rejoin of partitioned leader", { servers: 3, runs: RUNS }, (cluster) => {
  agree(cluster, "101", { by: 3 });
  const first = expectLeader(cluster, "three members, a command written");
  cluster.disconnect(first);
  for (const command of ["102", "103", "104"]) submitAtLeader(cluster, first, command);
  agree(cluster, "103", { by: 2 });
  const second = expectLeader(cluster, "the first leader is disconnected, with own commands");
  cluster.disconnect(second);
  cluster.connect(first);
  agree(cluster, "104", { by: 2 });
  cluster.connect(second);
  agree(cluster, "105", { by: 3 });
});

scenario(
  "3B leader backs up quickly over incorrect follower logs",
  { servers: 5, runs: RUNS },
  (cluster) => {
    agree(cluster, "first", { by: 5 });
    const one = expectLeader(cluster, "five members, a command written");
    const [a, b, c, d] = others(cluster, one) as [Server, Server, Server, Server];
    // The leader keeps one follower, and fills both logs with entries that will not be committed.
    for (const server of [b, c, d]) cluster.disconnect(server);
    fill(cluster, one, "one");
    cluster.run(ELECTION_MS / 2);
    for (const server of [one, a]) cluster.disconnect(server);
    for (const server of [b, c, d]) cluster.connect(server);
    for (let i = 0; i < BACKUP_COMMANDS; i++) agree(cluster, `two ${i}`, { by: 3 });
    // A second leader does the same.
    const two = expectLeader(cluster, "the other three are connected");
    const idle = [b, c, d].find((server) => server !== two)!;
    cluster.disconnect(idle);
    fill(cluster, two, "three");
    cluster.run(ELECTION_MS / 2);
    for (const server of cluster.servers) cluster.disconnect(server);
    for (const server of [one, a, idle]) cluster.connect(server);
    for (let i = 0; i < BACKUP_COMMANDS; i++) agree(cluster, `four ${i}`, { by: 3 });
    for (const server of cluster.servers) {
      if (!server.connected) cluster.connect(server);
    }
    agree(cluster, "last", { by: 5 });
    expectCount({
      what: `rejected appends; the logs differ by ${BACKUP_COMMANDS} entries of three terms`,
      count: cluster.network.rejections,
      max: REJECTIONS_MAX,
      why: "a step for each entry is a round trip for each: skip whole terms (Raft 5.3, end)",
    });
  },
);

/** Commands at a leader without a majority: they must not be committed. */
function fill(cluster: LabCluster, leader: Server, name: string): void {
  for (let i = 0; i < BACKUP_COMMANDS; i++) cluster.submit(leader, `${name} ${i}`);
}

scenario("3B RPC counts aren't too high", { servers: 3, runs: RUNS }, (cluster) => {
  const leader = expectLeader(cluster, "three members start");
  agree(cluster, "first", { by: 3 });
  const before = cluster.network.requests;
  const begun_ms = cluster.now_ms;
  const commands = Array.from({ length: COUNTED_COMMANDS }, (_, i) => String(i));
  const { index } = cluster.submitAll(leader, commands)!;
  expectApplied(cluster, index + COUNTED_COMMANDS - 1, 3);
  judge(cluster.now_ms - begun_ms < HEARTBEAT_TICKS * TICK_MS, {
    when: `${COUNTED_COMMANDS} commands are proposed at once`,
    expected: "applied by all members before the next round of heartbeats",
    happened: `it took ${cluster.now_ms - begun_ms} ms`,
    why: "a leader that sends entries only with its heartbeats delays every write",
  });
  expectCount({
    what: `requests sent for ${COUNTED_COMMANDS} commands, three members`,
    count: cluster.network.requests - before,
    max: BATCH_REQUESTS_MAX,
    why: "concurrent commands share one append to each follower, and one with the commit index",
  });
  cluster.run(ELECTION_MS);
  const idle = cluster.network.requests;
  cluster.run(1_000);
  expectCount({
    what: "requests sent in one idle second, three members",
    count: cluster.network.requests - idle,
    max: 3 * 20,
    why: "an idle cluster sends only heartbeats",
  });
});
