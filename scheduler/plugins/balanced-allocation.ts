import type { PreScorePlugin, ScorePlugin } from "../framework/plugin.ts";
import { SKIP } from "../framework/status.ts";
import { SCORE_MAX } from "../limits.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";
import type { Amounts } from "../resources.ts";

const BALANCED = ["cpu", "memory"];

/**
 * Prefers nodes where the shares of cpu and memory that are requested come closer to each other, so
 * that neither is left.
 */
export const balancedAllocation: PreScorePlugin & ScorePlugin = {
  name: "NodeResourcesBalancedAllocation",
  weight: 1,
  events: [],
  preScore(_state, info) {
    // A pod without requests changes no balance.
    return BALANCED.every((name) => !info.requests.get(name)) ? SKIP : undefined;
  },
  score: (_state, info, node) => improvement(info, node),
};

/** Returns 75 for a balance that stays as it is, up to 100 for a better one, down to 50 else. */
function improvement({ requests }: PodInfo, node: NodeInfo): number {
  const half = SCORE_MAX / 2;
  return half + Math.floor((half + balance(node, requests) - balance(node)) / 2);
}

function balance({ allocatable, requested }: NodeInfo, added?: Amounts): number {
  const [first = 0, second = first] = BALANCED.flatMap((name) => {
    const most = allocatable.get(name) ?? 0;
    if (most === 0) return [];
    return [Math.min(1, ((requested.get(name) ?? 0) + (added?.get(name) ?? 0)) / most)];
  });
  // The standard deviation of two is half of what they differ by.
  return Math.floor((1 - Math.abs(first - second) / 2) * SCORE_MAX);
}
