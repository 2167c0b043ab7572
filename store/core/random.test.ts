import { pick, type Random, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { TestCluster } from "../../testing/raft/cluster.ts";
import type { SafetyChecker } from "../../testing/raft/safety.ts";

/** One random step: time, proposals, disks, and a network that loses, doubles and reorders. */
function randomStep(cluster: TestCluster, random: Random, step: number): void {
  const members = [...cluster.members.values()];
  const member = pick(random, members);
  const die = random.next();
  if (die < 0.15) member.raft.tick();
  else if (die < 0.4) cluster.post(member.process()?.messages ?? []);
  else if (die < 0.6) cluster.post(member.sync());
  else if (die < 0.9) deliverOne(cluster, random);
  else if (die < 0.95) member.raft.propose([Buffer.from(`command ${step}`)]);
  else if (die < 0.96) member.raft.requestReadIndex(step);
  else if (die < 0.965) member.crash();
  else if (die < 0.97) member.compact(randomInteger(random, 0, 5));
  else if (die < 0.98) togglePartition(cluster, random);
  else if (die < 0.985) member.raft.transferLeadership(pick(random, members).id);
  else if (die < 0.99) changeMembership(cluster, random);
}

function deliverOne(cluster: TestCluster, random: Random): void {
  if (cluster.network.length === 0) return;
  const at = randomInteger(random, 0, cluster.network.length);
  const [message] = cluster.network.splice(at, 1);
  if (!message) return;
  if (random.next() < 0.05) return cluster.lose(message);
  if (random.next() < 0.05) cluster.network.push(message);
  cluster.deliver(message);
}

function togglePartition(cluster: TestCluster, random: Random): void {
  if (cluster.cut.size > 0) return cluster.cut.clear();
  const members = [...cluster.members.keys()];
  const alone = pick(random, members);
  for (const other of members) {
    // One way or both: a half-open link is the harder case.
    cluster.cut.add(`${alone}>${other}`);
    if (random.next() < 0.5) cluster.cut.add(`${other}>${alone}`);
  }
}

function changeMembership(cluster: TestCluster, random: Random): void {
  const leader = cluster.leader();
  if (!leader) return;
  const actions = ["add-voter", "add-learner", "remove"] as const;
  const ids = [...cluster.members.keys()];
  const steps = Array.from({ length: randomInteger(random, 1, 3) }, () => ({
    action: pick(random, actions),
    member: pick(random, ids),
  }));
  leader.raft.proposeChange({ steps, transition: "auto", context: Buffer.alloc(0) });
}

/** Mends everything and lets the cluster come to rest under a leader that everyone follows. */
function heal(cluster: TestCluster): void {
  cluster.cut.clear();
  for (let tick = 0; tick < 400; tick++) {
    for (const { raft } of cluster.members.values()) raft.tick();
    cluster.settle();
  }
}

function run(seed: number, steps: number): SafetyChecker {
  const random = seededRandom(seed);
  const cluster = new TestCluster({ random, appendBytes_max: 40, inflightAppends_max: 3 });
  cluster.addVoters(randomInteger(random, 1, 6));
  const checker = cluster.safety;
  for (let step = 0; step < steps; step++) {
    randomStep(cluster, random, step);
    checker.check(cluster);
  }
  heal(cluster);
  checker.check(cluster);
  const leader = cluster.leader();
  expect(leader, `seed ${seed}: a leader once healed`).toBeDefined();
  const before = leader!.applied.length;
  leader!.raft.propose([Buffer.from("last")]);
  heal(cluster);
  checker.check(cluster);
  expect(cluster.leader()!.applied.length, `seed ${seed}: progress`).toBeGreaterThan(before);
  for (const id of cluster.leader()!.raft.leading!.progress.keys()) {
    const { applied } = cluster.get(id);
    expect(applied.length, `seed ${seed}: member ${id} caught up`).toBe(leader!.applied.length);
  }
  return checker;
}

test("safety and progress through crashes, loss, partitions and membership changes", () => {
  let commands = 0;
  let terms = 0;
  for (let seed = 1; seed <= 150; seed++) {
    const checker = run(seed, 3_000);
    commands += checker.commands;
    terms += checker.terms;
  }
  // A run in which nothing happened would prove nothing.
  expect(commands).toBeGreaterThan(5_000);
  expect(terms).toBeGreaterThan(500);
});
