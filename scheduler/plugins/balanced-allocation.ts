import type { PreScorePlugin, ScorePlugin } from "../framework/plugin.ts";
import { SKIP } from "../framework/status.ts";
import { SCORE_MAX } from "../limits.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";

const BALANCED = ["cpu", "memory"];

/** Prefers nodes on which cpu and memory are requested in equal shares, so that neither is left. */
export const balancedAllocation: PreScorePlugin & ScorePlugin = {
  name: "NodeResourcesBalancedAllocation",
  weight: 1,
  events: [],
  preScore(_state, info) {
    // A pod without requests changes no balance.
    return BALANCED.every((name) => !info.requests.get(name)) ? SKIP : undefined;
  },
  score: (_state, info, node) => balance(info, node),
};

function balance(info: PodInfo, node: NodeInfo): number {
  const shares = BALANCED.flatMap((name) => {
    const allocatable = node.allocatable.get(name) ?? 0;
    if (allocatable === 0) return [];
    const used = (node.requested.get(name) ?? 0) + (info.requests.get(name) ?? 0);
    return [Math.min(1, used / allocatable)];
  });
  const mean = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0);
  const deviation = Math.sqrt(variance / Math.max(1, shares.length));
  return Math.floor((1 - deviation) * SCORE_MAX);
}
