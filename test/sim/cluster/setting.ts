import { type Random, pick } from "@raft2kube/std/random.ts";
import { FAULT_INTERVALS_MS, LOSS_MAX, REPLAY_MAX } from "../limits.ts";
import type { LogCutting } from "./member.ts";
import type { Release } from "./release.ts";

/** What a run begins with. */
export interface Setting {
  /** Members. */
  size: number;
  cutting: LogCutting;
  release: Release;
  /** The chances that a message is lost, or comes twice. */
  loss: number;
  replay: number;
  /** The mean time between two faults. */
  faultInterval_ms: number;
}

/** A setting by chance; small clusters more often, since they break more easily. */
export function drawSetting(random: Random): Setting {
  return {
    size: pick(random, [3, 3, 3, 4, 5, 5, 6, 7]),
    cutting: { keep: pick(random, [0, 20, 200]), every: pick(random, [1, 50, 100, 1_000]) },
    release: pick(random, ["previous", "this"]),
    // Most networks lose little: at the most, hardly anyone is ever elected.
    loss: random.next() < 0.3 ? 0 : random.next() ** 2 * LOSS_MAX,
    replay: random.next() * REPLAY_MAX,
    faultInterval_ms: pick(random, FAULT_INTERVALS_MS),
  };
}
