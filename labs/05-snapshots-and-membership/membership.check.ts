import { pick, randomInteger } from "@raft2kube/std/random.ts";
import { judge } from "../judge.ts";
import { changeOf } from "../raft/change.ts";
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

const RUNS = 10;
const CHANGE_ROUNDS = 3;
const CHANGE_MS_MAX = 10_000;
const POLL_MS = 20;
const FIRST_VOTERS = [1n, 2n, 3n];

/** Adds members 4 and 5, which no membership contains yet. */
function addSpares(cluster: LabCluster): void {
  for (const id of [4n, 5n]) cluster.add(id, FIRST_VOTERS);
}

/** Proposes a change until the leader has these voters and is no longer joint. */
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
    when: `"${command}" is proposed until it is applied`,
    expected: `a leader with voters ${voters} and no outgoing ones within ${seconds} s`,
    happened: cluster.servers
      .map((server) => `${server.id}: ${votersOf(server)} / ${outgoingOf(server) || "not joint"}`)
      .join("; "),
    why: "a cluster that cannot complete a change cannot replace a failed machine",
  });
}

const votersOf = ({ member }: Server): string => member.raft.state.membership.voters.join(" ");

const outgoingOf = ({ member }: Server): string => member.raft.state.membership.outgoing.join(" ");

scenario("two of three members are replaced at once", { servers: 3, runs: RUNS }, (cluster) => {
  addSpares(cluster);
  agree(cluster, "before", { by: 3 });
  expectLeader(cluster, "three members, a command written");
  changeTo(cluster, "change +4 +5 -1 -2", "3 4 5");
  const index = agree(cluster, "after", { by: 3 });
  cluster.run(ELECTION_MS);
  const leader = expectLeader(cluster, "the change is applied");
  judge(votersOf(leader).includes(String(leader.id)), {
    when: "a second after the change is applied",
    expected: "a leader among 3, 4 and 5",
    happened: `member ${leader.id} is leader`,
    why: "a leader that is no longer a voter must transfer its leadership",
  });
  for (const id of [1n, 2n]) cluster.server(id).crash();
  expectApplied(cluster, index, 3);
  agree(cluster, "without the removed members", { by: 3 });
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
  let crashing = true;
  // One member at a time is down: each majority needs two of its three.
  const crashOne = () => {
    if (!crashing) return;
    for (const server of cluster.servers) if (!server.up) server.restart();
    pick(cluster.random, cluster.servers).crash();
    cluster.timeline.after(ELECTION_MS * 1.5, crashOne);
  };
  cluster.timeline.after(100, crashOne);
  for (let round = 0; round < CHANGE_ROUNDS; round++) {
    commands.forEach((command, i) => {
      changeTo(cluster, command, wanted[i]!);
      cluster.run(randomInteger(cluster.random, 0, ELECTION_MS));
    });
  }
  crashing = false;
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
    // 3, 4 and 5 are all of the new voters and one of the old ones.
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

/** Replaces voters 1 and 2 by 4 and 5, and stays in the joint configuration. */
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
    when: "a change replaces 1 and 2 by 4 and 5 with transition `explicit`",
    expected: "outgoing voters 1 2 3 on all five members",
    happened: cluster.servers.map((server) => `${server.id}: ${outgoingOf(server)}`).join("; "),
    why: "a joint configuration's entries are replicated to old and new voters",
  });
}

function leaveJoint(cluster: LabCluster): void {
  const leader = expectLeader(cluster, "all are connected again");
  const reply = cluster.change(leader, changeOf("leave"));
  cluster.run(ELECTION_MS);
  const after = cluster.server(3n);
  judge(outgoingOf(after) === "", {
    when: `the leader is asked to leave the joint configuration; its reply: ${reply}`,
    expected: "no outgoing voters",
    happened: `outgoing ${outgoingOf(after)}`,
    why: "while it is joint, every decision needs both majorities",
  });
}
