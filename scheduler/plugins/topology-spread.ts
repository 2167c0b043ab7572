import type { Pod, TopologySpreadConstraint } from "@raft2kube/api/gen/core/v1.ts";
import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { untolerated } from "@raft2kube/client-kube/object/toleration.ts";
import { own } from "@raft2kube/std/own.ts";
import { StateKey } from "../framework/cycle-state.ts";
import type {
  FilterPlugin,
  PreFilterPlugin,
  PreScorePlugin,
  ScorePlugin,
  Snapshot,
} from "../framework/plugin.ts";
import { SKIP, unresolvable, unschedulable } from "../framework/status.ts";
import { SCORE_MAX } from "../limits.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";
import { nodeAffinityMatches } from "@raft2kube/client-kube/object/node-selector.ts";

const MISMATCH = "node(s) didn't match pod topology spread constraints";
const MISSING_LABEL = `${MISMATCH} (missing required label)`;

interface Constraint {
  readonly key: string;
  readonly maxSkew: number;
  readonly selector: LabelSelector | undefined;
  /** Matching pods by value of the key; eligible domains without any have an entry too. */
  readonly counts: ReadonlyMap<string, number>;
  /** 1 if the pod matches its own selector, else 0. */
  readonly selfMatch: number;
  /** Fewest matching pods of a domain; 0 while there are fewer domains than minDomains. */
  readonly minMatch: number;
}

const HARD = new StateKey<readonly Constraint[]>("PreFilterPodTopologySpread");
const SOFT = new StateKey<readonly Constraint[]>("PreScorePodTopologySpread");

type TopologySpread = PreFilterPlugin & FilterPlugin & PreScorePlugin & ScorePlugin;

/** Keeps the pods that a constraint selects even over the values of a node label. */
export const topologySpread: TopologySpread = {
  name: "PodTopologySpread",
  weight: 2,
  events: ["node-added", "node-labels", "node-taints", "pod-assigned", "pod-removed"],
  preFilter(state, info) {
    const constraints = readConstraints("DoNotSchedule", info, state.snapshot);
    if (constraints.length === 0) return SKIP;
    state.write(HARD, constraints);
    return undefined;
  },
  filter(state, _info, node) {
    const constraints = state.read(HARD) ?? [];
    if (constraints.some(({ key }) => own(node.labels, key) === undefined)) {
      return unresolvable(MISSING_LABEL);
    }
    return constraints.some((constraint) => skew(constraint, node) > constraint.maxSkew)
      ? unschedulable(MISMATCH)
      : undefined;
  },
  preScore(state, info) {
    const constraints = readConstraints("ScheduleAnyway", info, state.snapshot);
    if (constraints.length === 0) return SKIP;
    state.write(SOFT, constraints);
    return undefined;
  },
  score: (state, _info, node) => occupancy(state.read(SOFT) ?? [], node),
  normalizeScore: invert,
};

function readConstraints(action: string, { pod }: PodInfo, snapshot: Snapshot): Constraint[] {
  const all = pod.spec.topologySpreadConstraints ?? [];
  const constraints = all.filter((item) => item.whenUnsatisfiable === action);
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
      selfMatch: matchesSelector(selector, pod.metadata.labels) ? 1 : 0,
      minMatch: enough && counts.size > 0 ? Math.min(...counts.values()) : 0,
    };
  });
}

/** Returns the selector with the pod's values of `matchLabelKeys` added. */
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

/** Whether a node counts: it has all topology keys, and the inclusion policies admit it. */
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

function skew({ key, counts, selfMatch, minMatch }: Constraint, node: NodeInfo): number {
  return (counts.get(own(node.labels, key) ?? "") ?? 0) + selfMatch - minMatch;
}

/** Sums the matching pods in the node's domains; constraints with more domains weigh more. */
function occupancy(constraints: readonly Constraint[], node: NodeInfo): number {
  return constraints.reduce((sum, { key, counts, maxSkew }) => {
    const value = own(node.labels, key);
    if (value === undefined) return Number.POSITIVE_INFINITY;
    return sum + (counts.get(value) ?? 0) * Math.log(counts.size + 2) + (maxSkew - 1);
  }, 0);
}

/** Gives the domain with the fewest pods 100, and nodes without the label 0. */
function invert(scores: number[]): number[] {
  const finite = scores.filter(Number.isFinite);
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  return scores.map((score) => {
    if (!Number.isFinite(score)) return 0;
    return most === 0 ? SCORE_MAX : Math.floor((SCORE_MAX * (most + least - score)) / most);
  });
}
