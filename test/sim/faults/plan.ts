import { type Random, pick, randomInteger } from "@raft2kube/std/random.ts";
import type { DiskFault, DiskOperation } from "../world/disk.ts";
import { PARTITIONS } from "../world/partition.ts";
import type { Fault } from "./faults.ts";

const DISK_FAULTS: readonly DiskFault[] = [
  "EIO on write",
  "ENOSPC on write",
  "fsync error",
  "write corrupted",
  "write misdirected",
];

const DISK_OPERATIONS: readonly DiskOperation[] = [
  "write",
  "sync",
  "sync",
  "create",
  "rename",
  "sync folder",
];

/** How often each happens, beside the others. */
const WEIGHTS: readonly (readonly [number, (random: Random) => Fault])[] = [
  [18, () => ({ kind: "crash" })],
  [2, () => ({ kind: "power cut everywhere" })],
  [20, (random) => ({ kind: "power cut at the disk", at: pick(random, DISK_OPERATIONS) })],
  [6, (random) => ({ kind: "pause", for_ms: 500 + random.next() * 4_000 })],
  [8, (random) => ({ kind: "event loop stalled", for_ms: 50 + random.next() * 400 })],
  [5, (random) => ({ kind: "wall clock stepped", by_ms: randomInteger(random, -60_000, 60_000) })],
  [20, partition],
  [8, (random) => ({ kind: "link clogged", for_ms: random.next() * 5_000 })],
  [6, () => ({ kind: "leadership handed over" })],
  [12, (random) => ({ kind: "disk", fault: pick(random, DISK_FAULTS) })],
  [6, () => ({ kind: "byte flipped at rest" })],
  [4, () => ({ kind: "byte misread" })],
  [3, () => ({ kind: "disk blank" })],
];

/** The next fault of a run. */
export function drawFault(random: Random): Fault {
  const total = WEIGHTS.reduce((sum, [weight]) => sum + weight, 0);
  let die = random.next() * total;
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
