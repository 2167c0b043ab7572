import { pick, type Random } from "@raft2kube/std/random.ts";

/** How long a disk takes for an operation that takes `mean_ms` on an everyday disk. */
export type DiskPace = (random: Random, mean_ms: number) => number;

export const EVEN_PACE: DiskPace = (random, mean_ms) => random.next() * 2 * mean_ms;

/** A constant share of the everyday time. */
const steady =
  (factor: number): DiskPace =>
  (random, mean_ms) =>
    factor * EVEN_PACE(random, mean_ms);

/** Fast, but for rare operations that take up to `stall_ms`. */
const stalling =
  (chance: number, stall_ms: number): DiskPace =>
  (random, mean_ms) => {
    const usual_ms = EVEN_PACE(random, mean_ms);
    return random.next() < chance ? usual_ms + random.next() * stall_ms : usual_ms;
  };

/** Latency of log writes in a real fleet has a long tail: exponential over exponential. */
const longTailed: DiskPace = (random, mean_ms) => {
  const scale = -Math.log(1 - random.next());
  return mean_ms * scale * scale;
};

const PACES: readonly DiskPace[] = [
  EVEN_PACE,
  steady(0.1),
  steady(10),
  steady(40),
  stalling(0.02, 1_000),
  stalling(0.1, 300),
  longTailed,
];

/** A database that stalls while it compacts: what it has is far behind the log. */
export function drawLatePace(random: Random): DiskPace {
  return pick(random, [EVEN_PACE, steady(100), stalling(0.3, 6_000)]);
}

/** A disk by chance. */
export const drawPace = (random: Random): DiskPace => pick(random, PACES);
