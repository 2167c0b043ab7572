import { pick, randomInteger } from "@raft2kube/std/random.ts";
import { judge } from "../judge.ts";
import type { LabCluster } from "../raft/cluster.ts";
import {
  agree,
  connected,
  expectApplied,
  expectLeader,
  expectNoLeader,
  expectNotApplied,
} from "../raft/judged.ts";
import { ELECTION_MS } from "../raft/limits.ts";
import { scenario } from "../raft/scenario.ts";
import type { Server } from "../raft/server.ts";
import { changeOf } from "./change.ts";

const RUNS = 10;
const CHANGE_ROUNDS = 3;
const CHANGE_MS_MAX = 10_000;
const POLL_MS = 20;
const FIRST_VOTERS = [1n, 2n, 3n];

/** Members 4 and 5, which are in nobody's membership yet. */
function addSpares(cluster: LabCluster): void {
  for (const id of [4n, 5n]) cluster.add(id, FIRST_VOTERS);
}

/** Asks whoever leads until the membership is as wanted on the leader, and no longer joint. */
function changeTo(cluster: LabCluster, command: string, voters: string): Server {
  const begun_ms = cluster.now_ms;
  const seconds = CHANGE_MS_MAX / 1_000;
  while (cluster.now_ms - begun_ms < CHANGE_MS_MAX) {
    const leader = connected(cluster).find(({ isLeader }) => isLeader);
    if (leader && votersOf(leader) === voters && outgoingOf(leader) === "") return leader;
    if (leader && votersOf(leader) !== voters) cluster.change(leader, changeOf(command));
    cluster.run(POLL_MS);
  }
  return judge(false, {
    when: `"${command}" is asked for until it is done`,
    expected: `a leader with voters ${voters}, and no outgoing ones, within ${seconds} s`,
    happened: cluster.servers
      .map((server) => `${server.id}: ${votersOf(server)} / ${outgoingOf(server) || "not joint"}`)
      .join("; "),
    why: "a cluster that cannot finish a change cannot replace a broken machine either",
  });
}

function votersOf({ member }: Server): string {
  return member.raft.state.membership.voters.join(" ");
}

function outgoingOf({ member }: Server): string {
  return member.raft.state.membership.outgoing.join(" ");
}

scenario("two of three members are replaced at once", { servers: 3, runs: RUNS }, (cluster) => {
  addSpares(cluster);
  agree(cluster, "before", { by: 3 });
  expectLeader(cluster, "three members, a command written");
  changeTo(cluster, "change +4 +5 -1 -2", "3 4 5");
  const index = agree(cluster, "after", { by: 3 });
  cluster.run(ELECTION_MS);
  const leader = expectLeader(cluster, "the change is done");
  judge(votersOf(leader).includes(String(leader.id)), {
    when: "a second after the change is done",
    expected: "a leader among 3, 4 and 5",
    happened: `member ${leader.id} leads`,
    why: "one that votes no more must hand over, or the cluster depends on a machine that leaves",
  });
  for (const id of [1n, 2n]) cluster.server(id).crash();
  expectApplied(cluster, index, 3);
  agree(cluster, "without those that left", { by: 3 });
});

scenario("changes go through while members crash", { servers: 3, runs: RUNS }, (cluster) => {
  addSpares(cluster);
  agree(cluster, "before", { by: 3 });
  const wanted = ["3 4 5", "1 2 3", "1 4 5", "1 2 3"];
  const commands = [
    "change +4 +5 -1 -2",
    "change +1 +2 -4 -5",
    "change +4 +5 -2 -3",
    "change +2 +3 -4 -5",
  ];
  let stirring = true;
  // One member at a time is away: each majority needs two of its three.
  const stir = () => {
    if (!stirring) return;
    for (const server of cluster.servers) if (!server.up) server.restart();
    pick(cluster.random, cluster.servers).crash();
    cluster.timeline.after(ELECTION_MS * 1.5, stir);
  };
  cluster.timeline.after(100, stir);
  for (let round = 0; round < CHANGE_ROUNDS; round++) {
    commands.forEach((command, i) => {
      changeTo(cluster, command, wanted[i]!);
      cluster.run(randomInteger(cluster.random, 0, ELECTION_MS));
    });
  }
  stirring = false;
  for (const server of cluster.servers) if (!server.up) server.restart();
  agree(cluster, "after", { by: 3 });
});

scenario(
  "while joint, the new voters alone decide nothing",
  { servers: 3, runs: RUNS },
  (cluster) => {
    addSpares(cluster);
    agree(cluster, "before", { by: 3 });
    enterJoint(cluster);
    // 3, 4 and 5 are all of the new voters, and one of the old.
    for (const id of [1n, 2n]) cluster.disconnect(cluster.server(id));
    const taken = connected(cluster).flatMap((server) => cluster.submit(server, "alone") ?? []);
    cluster.run(3 * ELECTION_MS);
    for (const { index } of taken) {
      expectNotApplied(cluster, index, "joint, and only one of the old voters is connected");
    }
    expectNoLeader(
      cluster,
      "joint, and only one of the old voters is connected, for three seconds",
    );
    for (const id of [1n, 2n]) cluster.connect(cluster.server(id));
    agree(cluster, "together", { by: 3 });
    leaveJoint(cluster);
    agree(cluster, "after", { by: 3 });
  },
);

/** Makes 4 and 5 voters in the place of 1 and 2, and stays in between. */
function enterJoint(cluster: LabCluster): void {
  const joint = () => cluster.servers.every((server) => outgoingOf(server) === "1 2 3");
  const begun_ms = cluster.now_ms;
  while (!joint() && cluster.now_ms - begun_ms < CHANGE_MS_MAX) {
    const leader = connected(cluster).find(({ isLeader }) => isLeader);
    if (leader && outgoingOf(leader) === "") {
      cluster.change(leader, changeOf("change +4 +5 -1 -2 explicit"));
    }
    cluster.run(POLL_MS);
  }
  judge(joint(), {
    when: "the leader is asked to replace 1 and 2 by 4 and 5, and to stay joint",
    expected: "all five know that the outgoing voters are 1 2 3",
    happened: cluster.servers.map((server) => `${server.id}: ${outgoingOf(server)}`).join("; "),
    why: "the log of a joint configuration goes to everyone, old and new",
  });
}

function leaveJoint(cluster: LabCluster): void {
  const leader = expectLeader(cluster, "all are connected again");
  const said = cluster.change(leader, changeOf("leave"));
  cluster.run(ELECTION_MS);
  const after = cluster.server(3n);
  judge(outgoingOf(after) === "", {
    when: `the joint configuration is left; the leader says: ${said}`,
    expected: "no outgoing voters",
    happened: `outgoing ${outgoingOf(after)}`,
    why: "as long as it is joint, every decision needs both majorities",
  });
}
