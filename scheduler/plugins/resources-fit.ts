import type { FilterPlugin, ScorePlugin } from "../framework/plugin.ts";
import { type Result, unresolvable, unschedulable } from "../framework/status.ts";
import { SCORE_MAX } from "../limits.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";

/** Resources that the score looks at. */
const SCORED = ["cpu", "memory"];

/**
 * Rejects nodes whose unrequested resources are less than the pod requests; prefers the nodes with
 * the largest share left (upstream's LeastAllocated strategy).
 */
export const resourcesFit: FilterPlugin & ScorePlugin = {
  name: "NodeResourcesFit",
  weight: 1,
  events: ["NodeAdd", "NodeAllocatableChange", "AssignedPodDelete", "PodRequestScaledDown"],
  filter: (_state, info, node) => insufficient(info, node),
  score: (_state, info, node) => leastAllocated(info, node),
};

/**
 * Rejects a node that lacks something, naming all of it: `Too many pods`, `Insufficient cpu`.
 * Unresolvable if the pod requests more of a resource than the whole node has; too many pods are
 * not. A request of 0 always fits.
 */
function insufficient(info: PodInfo, node: NodeInfo): Result {
  // lab:09 begin insufficient
  const reasons: string[] = [];
  let resolvable = true;
  if (node.pods.size + 1 > (node.allocatable.get("pods") ?? 0)) reasons.push("Too many pods");
  for (const [name, amount] of info.requests) {
    if (amount === 0) continue;
    const allocatable = node.allocatable.get(name) ?? 0;
    if (amount <= allocatable - (node.requested.get(name) ?? 0)) continue;
    reasons.push(`Insufficient ${name}`);
    if (amount > allocatable) resolvable = false;
  }
  if (reasons.length === 0) return undefined;
  return resolvable ? unschedulable(...reasons) : unresolvable(...reasons);
  // lab:09 end
}

/**
 * Returns the mean of the shares of cpu and memory that are left with the pod, by the requests for
 * scores: each from 0 to SCORE_MAX, rounded down as the mean is. A resource that the node does not
 * have is left out of the mean.
 */
function leastAllocated(info: PodInfo, node: NodeInfo): number {
  // lab:09 begin least-allocated
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
  // lab:09 end
}
