import { randomInteger } from "@raft2kube/std/random.ts";
import type { AppliedEntry } from "../../testing/raft/member.ts";
import { judge } from "../judge.ts";
import type { LabCluster } from "./cluster.ts";
import { AGREEMENT_MS, ATTEMPT_MS, ELECTION_MS } from "./limits.ts";
import type { Server } from "./server.ts";

const LOOKS = 10;
const POLL_MS = 20;

/** Returns the connected leader of the newest term; looks up to ten times, fails without one. */
export function expectLeader(cluster: LabCluster, situation: string): Server {
  for (let look = 0; look < LOOKS; look++) {
    cluster.run(randomInteger(cluster.random, ELECTION_MS / 2 - 50, ELECTION_MS / 2 + 50));
    const leaders = leadersOf(cluster).sort((a, b) => b.term - a.term);
    // Two leaders of one term are found by the safety checker, at the step itself.
    if (leaders[0]) return leaders[0];
  }
  return judge(false, {
    when: situation,
    expected: "one leader among the members that are connected to a majority, within 5 s",
    happened: `no leader; ${standings(cluster)}`,
    why: "without a leader no writes are possible: an election must end soon (Raft section 5.2)",
  });
}

/** Fails if a connected member is leader. */
export function expectNoLeader(cluster: LabCluster, situation: string): void {
  const leaders = leadersOf(cluster);
  judge(leaders.length === 0, {
    when: situation,
    expected: "no leader: the connected members are not a majority",
    happened: `member ${leaders[0]?.id} is leader in term ${leaders[0]?.term}`,
    why: "the other members may elect a leader too, and both would commit different writes",
  });
}

/** The term that all connected members are in. */
export function expectSameTerm(cluster: LabCluster, situation: string): number {
  const [first, ...rest] = connected(cluster);
  const odd = rest.find(({ term }) => term !== first!.term);
  judge(!odd, {
    when: situation,
    expected: `all members in term ${first!.term}, as member ${first!.id}`,
    happened: `member ${odd?.id} is in term ${odd?.term}`,
    why: "every message carries the term; a member with an older one obeys a deposed leader",
  });
  return first!.term;
}

/** Entry `index` of each member that has applied it. The safety checker proves that they agree. */
export function appliedAt(cluster: LabCluster, index: number): AppliedEntry[] {
  return cluster.servers.flatMap(({ member }) => member.applied[index - 1] ?? []);
}

export interface Agreement {
  /** How many members must apply it. */
  readonly by: number;
  /** Whether the client retries, with another leader, after a failed attempt. */
  readonly retry?: boolean;
}

/**
 * A client's write: proposes until `wanted.by` members have applied it; returns the entry's index.
 */
export function agree(cluster: LabCluster, command: string, wanted: Agreement): number {
  const begun_ms = cluster.now_ms;
  while (cluster.now_ms - begun_ms < AGREEMENT_MS) {
    const taken = submitSomewhere(cluster, command);
    if (!taken) {
      cluster.run(POLL_MS);
      continue;
    }
    const index = awaitApplied(cluster, command, taken.index, wanted.by);
    if (index !== undefined) return index;
    if (wanted.retry === false) break;
  }
  return judge(false, {
    when: `a client writes "${command.slice(0, 20)}"`,
    expected: `applied by ${wanted.by} members within ${AGREEMENT_MS / 1_000} s`,
    happened: `not applied; ${standings(cluster)}`,
    why: "a connected majority must make progress (Raft section 5.3), or every client hangs",
  });
}

function submitSomewhere(cluster: LabCluster, command: string) {
  for (const server of cluster.servers) {
    if (!server.connected) continue;
    const taken = cluster.submit(server, command);
    if (taken) return taken;
  }
  return undefined;
}

function awaitApplied(
  cluster: LabCluster,
  command: string,
  index: number,
  by: number,
): number | undefined {
  const begun_ms = cluster.now_ms;
  while (cluster.now_ms - begun_ms < ATTEMPT_MS) {
    const applied = appliedAt(cluster, index);
    if (applied.length >= by && applied[0]?.command === command) return index;
    if (applied.length >= by) return undefined;
    cluster.run(POLL_MS);
  }
  return undefined;
}

/** Waits until `by` members have applied entry `index`. */
export function expectApplied(cluster: LabCluster, index: number, by: number): void {
  const begun_ms = cluster.now_ms;
  while (cluster.now_ms - begun_ms < AGREEMENT_MS) {
    if (appliedAt(cluster, index).length >= by) return;
    cluster.run(POLL_MS);
  }
  judge(false, {
    when: `entry ${index} is in the leader's log`,
    expected: `applied by ${by} members within ${AGREEMENT_MS / 1_000} s`,
    happened: `applied by ${appliedAt(cluster, index).length}; ${standings(cluster)}`,
    why: "a leader retries until every follower has all entries (Raft section 5.3)",
  });
}

/** Fails if a member has applied entry `index`. */
export function expectNotApplied(cluster: LabCluster, index: number, situation: string): void {
  const applied = appliedAt(cluster, index);
  judge(applied.length === 0, {
    when: situation,
    expected: `entry ${index} applied by no member: no majority has it`,
    happened: `${applied.length} members applied "${applied[0]?.command}"`,
    why: "the majority overwrites what a minority commits: an acknowledged write is lost",
  });
}

export interface Count {
  readonly what: string;
  readonly count: number;
  readonly min?: number;
  readonly max: number;
  readonly why: string;
}

/** Fails unless a count of messages or bytes is within the course's limits. */
export function expectCount({ what, count, min = 0, max, why }: Count): void {
  judge(count >= min && count <= max, {
    when: what,
    expected: min > 0 ? `${min} to ${max}` : `at most ${max}`,
    happened: `${count}`,
    why,
  });
}

/** Members that are up and connected. */
export function connected(cluster: LabCluster): Server[] {
  return cluster.servers.filter(({ up, connected: linked }) => up && linked);
}

function leadersOf(cluster: LabCluster): Server[] {
  return connected(cluster).filter(({ isLeader }) => isLeader);
}

function standings(cluster: LabCluster): string {
  const parts = cluster.servers.map(({ id, up, connected: linked, member: { raft } }) => {
    if (!up) return `${id} down`;
    const { role, term, log } = raft.state;
    const cut = linked ? "" : ", disconnected";
    return `${id} ${role} t${term} log ..${log.lastIndex} commit ${log.committed}${cut}`;
  });
  return parts.join("; ");
}

const STEP_MS = 0.05;
const UNTIL_MS_MAX = 2_000;

/** Lets time pass in small steps until `condition` holds; judges when it does not come to that. */
export function until(cluster: LabCluster, expected: string, condition: () => boolean): void {
  const begun_ms = cluster.now_ms;
  while (!condition()) {
    judge(cluster.now_ms - begun_ms < UNTIL_MS_MAX, {
      when: "the members run on",
      expected: `${expected}, within ${UNTIL_MS_MAX / 1_000} s`,
      happened: standings(cluster),
      why: "without this step no election and no write comes to an end",
    });
    cluster.run(STEP_MS);
  }
}
