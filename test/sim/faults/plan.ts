import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import { BACKEND_FAULTS } from "../world/backend.ts";
import { DISK_FAULTS } from "../world/disk.ts";
import { PARTITIONS } from "../world/partition.ts";
import { MOMENTS, RARE_MOMENTS, SIDES } from "../world/power.ts";
import type { Fault } from "./faults.ts";

/** The share of writes that a bad disk spoils, at most. */
const BADNESS_MAX = 0.1;
/** A power cut between writes comes after at most so many more of them. */
const WRITES_MAX = 12;

/** A kind of fault, and how often it happens beside the others. */
export interface WeightedFault {
  readonly weight: number;
  readonly make: (random: Random) => Fault;
  /** Whether it may cost a member its disk. */
  readonly damages?: true;
  /** Whether a run has it a few times at most: alone it does not make a run's volume. */
  readonly bounded?: true;
}

export const EVERYDAY_FAULTS: readonly WeightedFault[] = [
  { weight: 16, make: () => ({ kind: "crash" }) },
  { weight: 2, make: () => ({ kind: "power cut everywhere" }) },
  { weight: 30, make: powerCut },
  { weight: 6, make: (random) => ({ kind: "pause", for_ms: 500 + random.next() * 4_000 }) },
  {
    weight: 8,
    make: (random) => ({ kind: "event loop stalled", for_ms: 50 + random.next() * 400 }),
  },
  {
    weight: 5,
    make: (random) => ({
      kind: "wall clock stepped",
      by_ms: randomInteger(random, -60_000, 60_000),
    }),
  },
  { weight: 20, make: partition },
  { weight: 8, make: (random) => ({ kind: "link clogged", for_ms: random.next() * 5_000 }) },
  { weight: 10, make: handOver },
  {
    weight: 12,
    make: (random) => ({ kind: "disk", fault: pick(random, DISK_FAULTS) }),
    damages: true,
  },
  { weight: 4, make: (random) => ({ kind: "backend", fault: pick(random, BACKEND_FAULTS) }) },
  {
    weight: 2,
    make: (random) => ({ kind: "disk goes bad", chance: random.next() * BADNESS_MAX }),
    damages: true,
  },
  { weight: 5, make: () => ({ kind: "byte flipped at rest" }), damages: true },
  { weight: 4, make: () => ({ kind: "byte misread" }), damages: true },
  { weight: 3, make: () => ({ kind: "backend damaged" }), damages: true },
  { weight: 2, make: () => ({ kind: "disk blank" }), damages: true },
  { weight: 3, make: () => ({ kind: "rolling upgrade" }), bounded: true },
];

/** Faults around a change of leader, and between any two writes. */
const SHARP_FAULTS: readonly WeightedFault[] = [
  {
    weight: 20,
    make: (random) => ({
      kind: "power cut between writes",
      after: randomInteger(random, 0, WRITES_MAX),
    }),
  },
  { weight: 10, make: () => ({ kind: "leader crash" }) },
  { weight: 40, make: leaderCutOff },
  { weight: 40, make: leaderHeldUp },
  { weight: 20, make: betweenLeaders },
  { weight: 10, make: () => ({ kind: "leader returns" }) },
  { weight: 20, make: () => ({ kind: "leadership handed over", to: "anyone" }) },
];

/** The faults of one run, each there or not, and some more often than others. */
export function drawFaults(random: Random, mayDamage: boolean): readonly WeightedFault[] {
  const all = [...EVERYDAY_FAULTS, ...SHARP_FAULTS];
  const possible = all.filter(({ damages }) => mayDamage || !damages);
  const some = possible.filter(() => random.next() < 0.5);
  const chosen = some.every(({ bounded }) => bounded) ? possible : some;
  return chosen.map((fault) => ({ ...fault, weight: fault.weight * (0.2 + random.next()) }));
}

/** The next fault of a run. */
export function drawFault(random: Random, faults: readonly WeightedFault[]): Fault {
  const total = faults.reduce((sum, { weight }) => sum + weight, 0);
  let die = random.next() * total;
  for (const { weight, make } of faults) {
    die -= weight;
    if (die < 0) return make(random);
  }
  return { kind: "crash" };
}

function partition(random: Random): Fault {
  const shape = pick(random, PARTITIONS);
  return { kind: "partition", shape, for_ms: 500 + random.next() * 5_000 };
}

/** The leader, and the members connected to it in any direction. */
function leaderCutOff(random: Random): Fault {
  const way = pick(random, ["in", "out", "both"] as const);
  const beside = randomInteger(random, 0, 3);
  return { kind: "leader cut off", way, beside, for_ms: 200 + random.next() * 3_000 };
}

/**
 * Delays a leader's incoming or outgoing messages, which arrive late and all together, as when a
 * stream stalls.
 */
function leaderHeldUp(random: Random): Fault {
  const way = pick(random, ["in", "out", "both"] as const);
  return { kind: "leader held up", way, for_ms: random.next() * 3_000 };
}

/** Pauses: how long the member misses messages, and how long no other member does. */
function betweenLeaders(random: Random): Fault {
  const [behind_ms, apart_ms] = [random.next() ** 2 * 300, random.next() ** 2 * 200];
  return { kind: "member between two leaders", behind_ms, apart_ms };
}

/** A leader elected while it installs a snapshot starts on a state that is being replaced. */
function handOver(random: Random): Fault {
  const to = random.next() < 0.5 ? "anyone" : "one that installs";
  return { kind: "leadership handed over", to };
}

/** Moments that come seldom are waited for more often. */
function powerCut(random: Random): Fault {
  const among = random.next() < 0.4 ? RARE_MOMENTS : MOMENTS;
  return { kind: "power cut", side: pick(random, SIDES), moment: pick(random, among) };
}
