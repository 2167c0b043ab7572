import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import { CORE_OPTIONS } from "../../../testing/raft/limits.ts";
import { drawFaults } from "../faults/plan.ts";
import { LOSS_MAX, REPLAY_MAX, STRAGGLERS_MAX } from "../limits.ts";
import type { ClientRole } from "../workload/client.ts";
import { drawLatePace, drawPace, EVEN_PACE } from "../world/pace.ts";
import type { Streams } from "../world/streams.ts";
import type { Setting } from "./setting.ts";

/**
 * A setting of the swarm kind (Groce and others, "Swarm testing", 2012): each run leaves out some
 * faults and parts of the workload, so that those that stay happen more often, and happen without
 * others that would hide what they do.
 */
export function drawSwarm(streams: Streams): Setting {
  const random = streams("swarm");
  const on = (chance: number) => random.next() < chance;
  // A changing membership leaves no spare members to lose a disk of.
  const churns = on(0.7);
  const slowLinks = on(0.4) ? random.next() : 0;
  const links = new Map<string, number>();
  const ownPaces = on(0.6);
  const lateBackends = on(0.4);
  return {
    size: pick(random, churns ? [1, 2, 3, 3, 3, 4, 5] : [3, 3, 3, 4, 5, 5, 6, 7]),
    learners: on(0.3) ? randomInteger(random, 1, 3) : 0,
    cutting: { keep: pick(random, [0, 5, 20, 200]), every: pick(random, [1, 10, 100, 1_000]) },
    release: pick(random, ["previous", "this"]),
    core: {
      ...CORE_OPTIONS,
      appendBytes_max: pick(random, [1, 150, 2_000, 64_000]),
      inflightAppends_max: pick(random, [1, 2, 8, 64]),
      applyBytes_max: pick(random, [1, 4_000]),
    },
    timing: { tick_ms: pick(random, [20, 50, 100]), electionTicks: CORE_OPTIONS.electionTicks },
    loss: on(0.5) ? 0 : random.next() ** 2 * LOSS_MAX,
    replay: on(0.4) ? 0 : random.next() * REPLAY_MAX,
    stragglers: on(0.5) ? 0 : random.next() ** 2 * STRAGGLERS_MAX,
    noticesLoss: on(0.7),
    latency_ms: (from, to) => {
      const name = `${from}>${to}`;
      const known = links.get(name);
      if (known !== undefined) return known;
      const own = streams(`link ${name}`);
      const latency_ms = own.next() < slowLinks ? 1 + own.next() ** 2 * 80 : 1;
      links.set(name, latency_ms);
      return latency_ms;
    },
    pace: (member) => {
      const own = streams(`disks of ${member}`);
      const log = ownPaces ? drawPace(own) : EVEN_PACE;
      return { log, backend: lateBackends ? drawLatePace(own) : log };
    },
    faultInterval_ms: pick(random, [60, 120, 250, 500, 900]),
    faults: drawFaults(random, !churns),
    guidance: on(0.7) ? pick(random, [0.02, 0.1, 0.3]) : 0,
    churn: churns ? drawChurn(random) : undefined,
    clients: drawClients(random),
    think_ms: pick(random, [5, 30, 100]),
    informers: on(0.3) ? randomInteger(random, 1, 3) : 0,
    watches: on(0.3),
    scrub: on(0.3),
  };
}

function drawChurn(random: Random) {
  const interval_ms = pick(random, [100, 300, 1_000]);
  return { interval_ms, changes_max: randomInteger(random, 1, 4) };
}

/** Draws the clients: at least two that write, the others by chance. */
function drawClients(random: Random): readonly ClientRole[] {
  const some = (role: ClientRole, chance: number, count_max: number): ClientRole[] => {
    const count = random.next() < chance ? randomInteger(random, 1, count_max + 1) : 0;
    return Array.from({ length: count }, () => role);
  };
  return [
    ...some("compaction", 0.5, 1),
    ...some("leases", 0.3, 2),
    ...some("everything", 1, 6),
    ...some("everything", 1, 1),
    ...some("reads", 0.6, 5),
    ...some("bursts", 0.7, 4),
  ];
}
