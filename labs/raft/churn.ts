import { pick, randomInteger } from "@raft2kube/std/random.ts";
import { judge } from "../judge.ts";
import type { LabCluster } from "./cluster.ts";
import { agree, appliedAt } from "./judged.ts";
import { ELECTION_MS } from "./limits.ts";

const CLIENTS = 3;
const ROUNDS = 20;
/** Pause between two writes of a client. */
const PAUSE_MS = 20;
const PATIENCE_MS = [10, 20, 50, 100, 200];

type Write = { readonly command: string; readonly index: number };

/**
 * Three clients write while members are disconnected, crash and restart. Every write that a client
 * saw committed must be in all logs at the end.
 */
export function playChurn(cluster: LabCluster): void {
  const seen: Write[] = [];
  let over = false;
  for (let client = 0; client < CLIENTS; client++) runClient(cluster, client, seen, () => over);
  for (let round = 0; round < ROUNDS; round++) disturb(cluster);
  cluster.run(ELECTION_MS);
  for (const server of cluster.servers) {
    if (!server.up) server.restart();
    cluster.connect(server);
  }
  over = true;
  cluster.run(ELECTION_MS);
  agree(cluster, "last", { by: cluster.servers.length });
  const log = new Set(cluster.servers[0]!.member.applied.map(({ command }) => command));
  const lost = seen.find(({ command }) => !log.has(command));
  judge(!lost, {
    when: `a client saw its write "${lost?.command}" applied in entry ${lost?.index}`,
    expected: "every member has it at the end",
    happened: "no member has it",
    why: "an acknowledged write must survive crashes and partitions (invariant S1)",
  });
  judge(seen.length > 0, {
    when: "three clients write for some seconds; most of the time a majority is connected",
    expected: "some writes succeed",
    happened: "no write succeeded",
    why: "a connected majority must make progress (Raft section 5.3)",
  });
}

/** One client: proposes to all leaders, waits a little for the entry to be applied, continues. */
function runClient(cluster: LabCluster, client: number, seen: Write[], over: () => boolean): void {
  let number = 0;
  const next = () => {
    if (over()) return;
    const command = `${client}:${number++}`;
    const taken = cluster.servers.map((server) => cluster.submit(server, command)?.index);
    const index = taken.findLast((each) => each !== undefined);
    if (index === undefined) return void cluster.timeline.after(PAUSE_MS, next);
    let attempt = 0;
    const look = () => {
      if (appliedAt(cluster, index).some((entry) => entry.command === command)) {
        seen.push({ command, index });
        return void cluster.timeline.after(PAUSE_MS, next);
      }
      const patience_ms = PATIENCE_MS[attempt++];
      if (patience_ms === undefined) next();
      else cluster.timeline.after(patience_ms, look);
    };
    cluster.timeline.after(1, look);
  };
  cluster.timeline.after(randomInteger(cluster.random, 0, 10), next);
}

function disturb(cluster: LabCluster): void {
  const { random, servers } = cluster;
  if (random.next() < 0.2) cluster.disconnect(pick(random, servers));
  if (random.next() < 0.5) {
    const server = pick(random, servers);
    if (!server.up) server.restart();
    cluster.connect(server);
  }
  if (random.next() < 0.2) {
    const server = pick(random, servers);
    if (server.up) server.crash();
  }
  cluster.run(ELECTION_MS * 0.7);
}
