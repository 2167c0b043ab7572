import type { Plugin } from "../framework.ts";
import { SCORE_MAX } from "../limits.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";

const BALANCED = ["cpu", "memory"];

/** Prefers nodes on which cpu and memory are used in like shares, so that neither is stranded. */
export const balancedAllocation: Plugin = {
  name: "NodeResourcesBalancedAllocation",
  weight: 1,
  events: [],
  consider(info) {
    // A pod that asks for nothing changes no balance.
    if (BALANCED.every((name) => !info.requests.get(name))) return {};
    return { score: (node) => balance(info, node) };
  },
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
