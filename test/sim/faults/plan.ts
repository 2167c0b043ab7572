import { type Random, pick, randomInteger } from "@raft2kube/std/random.ts";
import { BACKEND_FAULTS } from "../world/backend.ts";
import { DISK_FAULTS } from "../world/disk.ts";
import { PARTITIONS } from "../world/partition.ts";
import { MOMENTS, RARE_MOMENTS, SIDES } from "../world/power.ts";
import type { Fault } from "./faults.ts";

/** The share of writes that a bad disk spoils, at most. */
const BADNESS_MAX = 0.1;

/** How often each happens, beside the others. */
const WEIGHTS: readonly (readonly [number, (random: Random) => Fault])[] = [
  [16, () => ({ kind: "crash" })],
  [2, () => ({ kind: "power cut everywhere" })],
  [30, powerCut],
  [6, (random) => ({ kind: "pause", for_ms: 500 + random.next() * 4_000 })],
  [8, (random) => ({ kind: "event loop stalled", for_ms: 50 + random.next() * 400 })],
  [5, (random) => ({ kind: "wall clock stepped", by_ms: randomInteger(random, -60_000, 60_000) })],
  [20, partition],
  [8, (random) => ({ kind: "link clogged", for_ms: random.next() * 5_000 })],
  [10, handOver],
  [12, (random) => ({ kind: "disk", fault: pick(random, DISK_FAULTS) })],
  [4, (random) => ({ kind: "backend", fault: pick(random, BACKEND_FAULTS) })],
  [2, (random) => ({ kind: "disk goes bad", chance: random.next() * BADNESS_MAX })],
  [5, () => ({ kind: "byte flipped at rest" })],
  [4, () => ({ kind: "byte misread" })],
  [3, () => ({ kind: "backend damaged" })],
  [2, () => ({ kind: "disk blank" })],
  [3, () => ({ kind: "rolling upgrade" })],
];
const TOTAL = WEIGHTS.reduce((sum, [weight]) => sum + weight, 0);

/** The next fault of a run. */
export function drawFault(random: Random): Fault {
  let die = random.next() * TOTAL;
  for (const [weight, make] of WEIGHTS) {
    die -= weight;
    if (die < 0) return make(random);
  }
  return { kind: "crash" };
}

function partition(random: Random): Fault {
  const shape = pick(random, PARTITIONS);
  return { kind: "partition", shape, for_ms: 500 + random.next() * 5_000 };
}

/** Whoever takes office with a snapshot still to be installed begins on a state that goes. */
function handOver(random: Random): Fault {
  const to = random.next() < 0.5 ? "anyone" : "one that installs";
  return { kind: "leadership handed over", to };
}

/** Moments that come seldom are waited for more often. */
function powerCut(random: Random): Fault {
  const among = random.next() < 0.4 ? RARE_MOMENTS : MOMENTS;
  return { kind: "power cut", side: pick(random, SIDES), moment: pick(random, among) };
}
