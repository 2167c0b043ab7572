import type { Opinion, Plugin } from "../framework.ts";
import { SCORE_MAX } from "../limits.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";

/** Resources that spread pods by how much of them is left (LeastAllocated). */
const SCORED = ["cpu", "memory"];

/** The node must have left what the pod asks for; of those that have, the emptier the better. */
export const resourcesFit: Plugin = {
  name: "NodeResourcesFit",
  weight: 1,
  events: ["node-added", "node-allocatable", "pod-removed"],
  consider(info): Opinion {
    return {
      filter(node) {
        const reasons: string[] = [];
        let resolvable = true;
        if (node.pods.size + 1 > (node.allocatable.get("pods") ?? 0)) {
          reasons.push("Too many pods");
        }
        for (const [name, amount] of info.requests) {
          if (amount === 0) continue;
          const allocatable = node.allocatable.get(name) ?? 0;
          if (amount <= allocatable - (node.requested.get(name) ?? 0)) continue;
          reasons.push(`Insufficient ${name}`);
          if (amount > allocatable) resolvable = false;
        }
        return reasons.length === 0 ? undefined : { reasons, resolvable };
      },
      score: (node) => leastAllocated(info, node),
    };
  },
};

function leastAllocated(info: PodInfo, node: NodeInfo): number {
  let sum = 0;
  let weights = 0;
  for (const name of SCORED) {
    const allocatable = node.allocatable.get(name) ?? 0;
    if (allocatable === 0) continue;
    const used = (node.scoreRequested.get(name) ?? 0) + (info.scoreRequests.get(name) ?? 0);
    const left = Math.max(0, allocatable - used);
    sum += Math.floor((left * SCORE_MAX) / allocatable);
    weights += 1;
  }
  return weights === 0 ? 0 : Math.floor(sum / weights);
}
