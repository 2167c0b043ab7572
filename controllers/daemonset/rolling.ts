import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { shareOf } from "../share.ts";
import { type DaemonPlan, type DaemonView, isAvailable, isLeaving } from "./plan.ts";
import { isUpdated } from "./pod-of.ts";

type NodePods = { node: string; fresh: Pod | undefined; old: Pod | undefined };

/** Plans the next step of a rolling update, when each node has the pods that belong there. */
export function planRolling(view: DaemonView): DaemonPlan {
  const { maxUnavailable = 1, maxSurge = 0 } = view.set.spec.updateStrategy?.rollingUpdate ?? {};
  const wanted = [...view.placements].filter(([, { run }]) => run).map(([node]) => node);
  const surge = shareOf(maxSurge, wanted.length, Math.ceil);
  const unavailable = shareOf(maxUnavailable, wanted.length, Math.ceil);
  const { crowded, nodes } = nodesOf(view, wanted);
  if (surge > 0) return planSurge(view, nodes, surge - crowded, wanted.length);
  return { create: [], delete: replaced(view, nodes, (unavailable || 1) - crowded), ended: [] };
}

/** Nodes with at most one pod of each age, and how many have more: `planNodes` cleans those. */
function nodesOf(
  view: DaemonView,
  wanted: readonly string[],
): { crowded: number; nodes: NodePods[] } {
  const nodes: NodePods[] = [];
  let crowded = 0;
  for (const node of new Set([...view.pods.keys(), ...wanted])) {
    const pods = (view.pods.get(node) ?? []).filter((pod) => !isLeaving(pod));
    const isFresh = (pod: Pod) => isUpdated(pod, view.set, view.hash);
    const fresh = pods.filter(isFresh);
    const old = pods.filter((pod) => !isFresh(pod));
    if (fresh.length > 1 || old.length > 1) crowded += 1;
    else nodes.push({ node, fresh: fresh[0], old: old[0] });
  }
  return { crowded, nodes };
}

/**
 * Old pods to delete: those that are not available, and of the others as many as leaves no more
 * than `allowed` nodes without an available pod.
 */
function replaced(view: DaemonView, nodes: readonly NodePods[], allowed: number): Pod[] {
  let unavailable = 0;
  const broken: Pod[] = [];
  const candidates: Pod[] = [];
  for (const { fresh, old } of nodes) {
    if ((old && fresh) || (!old && !fresh)) unavailable += 1;
    else if (fresh) unavailable += isAvailable(view, fresh) ? 0 : 1;
    else if (old && isAvailable(view, old)) candidates.push(old);
    else if (old) {
      broken.push(old);
      unavailable += 1;
    }
  }
  return [...broken, ...candidates.slice(0, Math.max(0, allowed - unavailable))];
}

/**
 * Nodes that get a new pod beside the old one: those whose old pod is not available, and of the
 * others as many as `surge` allows. An old pod is deleted when the new one is available; on a node
 * that no longer needs one, when enough others are available.
 */
function planSurge(
  view: DaemonView,
  nodes: readonly NodePods[],
  surge: number,
  wanted: number,
): DaemonPlan {
  const plan: DaemonPlan = { create: [], delete: [], ended: [] };
  const candidates: string[] = [];
  const outside: Pod[] = [];
  let surging = 0;
  let available = 0;
  for (const { node, fresh, old } of nodes) {
    const counted = old ?? fresh;
    if (counted && isAvailable(view, counted)) available += 1;
    if (!old) continue;
    const run = view.placements.get(node)?.run === true;
    if (fresh && isAvailable(view, fresh)) plan.delete.push(old);
    else if (fresh) surging += 1;
    else if (isAvailable(view, old)) {
      if (run) candidates.push(node);
      else outside.push(old);
    } else if (run) plan.create.push(node);
    else plan.delete.push(old);
  }
  plan.delete.push(...outside.slice(0, Math.max(0, available - wanted)));
  plan.create.push(...candidates.slice(0, Math.max(0, surge - surging)));
  return plan;
}
