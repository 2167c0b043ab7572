import type { Pod, TopologySpreadConstraint } from "@raft2kube/api/gen/core/v1.ts";
import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { untolerated } from "@raft2kube/client-kube/toleration.ts";
import { own } from "@raft2kube/std/own.ts";
import { crowded, type Opinion, type Plugin, type Snapshot, unfit } from "../framework.ts";
import { SCORE_MAX } from "../limits.ts";
import type { NodeInfo } from "../node-info.ts";
import { nodeAffinityMatches } from "../node-selector.ts";

const UNEVEN = "node(s) didn't match pod topology spread constraints";
const NO_LABEL = `${UNEVEN} (missing required label)`;

interface Constraint {
  readonly key: string;
  readonly maxSkew: number;
  readonly selector: LabelSelector | undefined;
  /** Matching pods by value of the key, every domain that counts included. */
  readonly counts: ReadonlyMap<string, number>;
  /** Whether the pod itself counts, once it is there. */
  readonly self: number;
  readonly least: number;
}

/** Spreads pods of one kind evenly over zones, hosts or whatever label is named. */
export const topologySpread: Plugin = {
  name: "PodTopologySpread",
  weight: 2,
  events: ["node-added", "node-labels", "node-taints", "pod-assigned", "pod-removed"],
  consider({ pod }, snapshot): Opinion {
    const all = pod.spec.topologySpreadConstraints ?? [];
    const of = (action: string) => all.filter((item) => item.whenUnsatisfiable === action);
    const hard = readConstraints(of("DoNotSchedule"), pod, snapshot);
    const soft = readConstraints(of("ScheduleAnyway"), pod, snapshot);
    const opinion: Opinion = {};
    if (hard.length > 0) {
      opinion.filter = (node) => {
        if (hard.some(({ key }) => own(node.labels, key) === undefined)) return unfit(NO_LABEL);
        return hard.some((constraint) => skew(constraint, node) > constraint.maxSkew)
          ? crowded(UNEVEN)
          : undefined;
      };
    }
    if (soft.length > 0) {
      opinion.score = (node) => crowd(soft, node);
      opinion.normalize = emptiestBest;
    }
    return opinion;
  },
};

function readConstraints(
  constraints: readonly TopologySpreadConstraint[],
  pod: Pod,
  snapshot: Snapshot,
): Constraint[] {
  const keys = constraints.map(({ topologyKey }) => topologyKey);
  return constraints.map((constraint) => {
    const selector = selectorOf(constraint, pod);
    const counts = new Map<string, number>();
    for (const node of snapshot.nodes) {
      if (!countsNode(constraint, keys, pod, node)) continue;
      const value = own(node.labels, constraint.topologyKey) ?? "";
      counts.set(value, (counts.get(value) ?? 0) + matching(node, pod, selector));
    }
    const enough = counts.size >= (constraint.minDomains ?? 1);
    return {
      key: constraint.topologyKey,
      maxSkew: constraint.maxSkew,
      selector,
      counts,
      self: matchesSelector(selector, pod.metadata.labels) ? 1 : 0,
      least: enough && counts.size > 0 ? Math.min(...counts.values()) : 0,
    };
  });
}

/** The selector, narrowed to the pod's own values of `matchLabelKeys`. */
function selectorOf(
  { labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint,
  pod: Pod,
): LabelSelector | undefined {
  if (!labelSelector) return undefined;
  const own = matchLabelKeys.flatMap((key) => {
    const value = pod.metadata.labels?.[key];
    return value === undefined ? [] : [{ key, operator: "In", values: [value] }];
  });
  const { matchExpressions = [] } = labelSelector;
  return { ...labelSelector, matchExpressions: [...matchExpressions, ...own] };
}

/** Whether a node's domain takes part: it has all keys, and the policies do not leave it out. */
function countsNode(
  { nodeAffinityPolicy, nodeTaintsPolicy }: TopologySpreadConstraint,
  keys: readonly string[],
  pod: Pod,
  { node, labels }: NodeInfo,
): boolean {
  if (!node || keys.some((key) => own(labels, key) === undefined)) return false;
  if (nodeAffinityPolicy !== "Ignore" && !nodeAffinityMatches(pod, node)) return false;
  if (nodeTaintsPolicy !== "Honor") return true;
  const hard = ["NoSchedule", "NoExecute"];
  return !untolerated(node.spec.taints, pod.spec.tolerations, hard);
}

function matching(node: NodeInfo, pod: Pod, selector: LabelSelector | undefined): number {
  let count = 0;
  for (const { pod: other } of node.pods.values()) {
    if (other.metadata.deletionTimestamp) continue;
    if (other.metadata.namespace !== pod.metadata.namespace) continue;
    if (matchesSelector(selector, other.metadata.labels)) count += 1;
  }
  return count;
}

function skew({ key, counts, self, least }: Constraint, node: NodeInfo): number {
  return (counts.get(own(node.labels, key) ?? "") ?? 0) + self - least;
}

/** How crowded a node's domains are; many small domains weigh more than few large ones. */
function crowd(constraints: readonly Constraint[], node: NodeInfo): number {
  return constraints.reduce((sum, { key, counts, maxSkew }) => {
    const value = own(node.labels, key);
    if (value === undefined) return Number.POSITIVE_INFINITY;
    return sum + (counts.get(value) ?? 0) * Math.log(counts.size + 2) + (maxSkew - 1);
  }, 0);
}

/** The emptiest domain gets 100; nodes without the label 0. */
function emptiestBest(scores: number[]): number[] {
  const finite = scores.filter(Number.isFinite);
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  return scores.map((score) => {
    if (!Number.isFinite(score)) return 0;
    return most === 0 ? SCORE_MAX : Math.floor((SCORE_MAX * (most + least - score)) / most);
  });
}
