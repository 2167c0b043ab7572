import { isMirrorPod } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { Pod, TopologySpreadConstraint } from "@raft2kube/api/gen/core/v1.ts";
import {
  type LabelTerms,
  matchesLabels,
  matchesSelector,
  termsOf,
} from "@raft2kube/api/selector.ts";
import { untolerated } from "@raft2kube/client-kube/object/toleration.ts";
import { own } from "@raft2kube/std/own.ts";
import { type CycleState, StateKey } from "../framework/cycle-state.ts";
import type {
  FilterPlugin,
  PreFilterPlugin,
  PreScorePlugin,
  ScorePlugin,
} from "../framework/plugin.ts";
import { SKIP, unresolvable, unschedulable } from "../framework/status.ts";
import { SCORE_MAX } from "../limits.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";
import { defaultConstraints, type Workloads } from "./default-spread.ts";
import { matchesNode } from "./node-affinity.ts";

const MISMATCH = "node(s) didn't match pod topology spread constraints";
const MISSING_LABEL = `${MISMATCH} (missing required label)`;

/** Counts of matching pods, for both kinds of constraints. */
interface Counted {
  readonly key: string;
  readonly maxSkew: number;
  /** Matching pods by value of the key; eligible domains without any have an entry too. */
  readonly counts: Map<string, number>;
}

interface HardConstraint extends Counted, Omit<TopologySpreadConstraint, "maxSkew"> {
  /** The terms of its selector. */
  readonly terms: LabelTerms;
  /** 1 if the pod matches its own selector, else 0. */
  readonly selfMatch: number;
  /** Fewest matching pods of a domain; 0 while there are fewer domains than minDomains. */
  minMatch: number;
}

interface SoftConstraint extends Counted {
  /** Factor of the counts: constraints with more domains weigh more. */
  readonly weight: number;
}

interface Soft {
  readonly constraints: readonly SoftConstraint[];
  /** Whether a node needs the labels of all constraints: not if they are the defaults. */
  readonly needsAllKeys: boolean;
}

const HARD = new StateKey<readonly HardConstraint[]>("PreFilterPodTopologySpread");
const SOFT = new StateKey<Soft>("PreScorePodTopologySpread");
const NO_SOFT: Soft = { constraints: [], needsAllKeys: false };

type TopologySpread = PreFilterPlugin & FilterPlugin & PreScorePlugin & ScorePlugin;

/**
 * Keeps the pods that a constraint selects even over the values of a node label. A pod that states
 * no constraints is spread beside the others of its workload.
 */
export function topologySpread(workloads: Workloads): TopologySpread {
  return {
    name: "PodTopologySpread",
    weight: 2,
    events: [
      "NodeAdd",
      "NodeDelete",
      "NodeLabelChange",
      "NodeTaintChange",
      "AssignedPodAdd",
      "PodLabelChange",
      "AssignedPodDelete",
    ],
    preFilter(state, { pod }) {
      const constraints = hardConstraints(pod, state);
      if (constraints.length === 0) return SKIP;
      state.write(HARD, constraints);
      return undefined;
    },
    updateWithPod(state, { pod }, other, node, sign) {
      const constraints = state.read(HARD) ?? [];
      if (!hasKeys(constraints, node.labels)) return;
      for (const each of constraints) {
        const { key, counts, terms } = each;
        const changed = sign * matching([other], pod, terms);
        if (changed === 0 || !isIncluded(each, pod, node, state)) continue;
        const value = own(node.labels, key) ?? "";
        counts.set(value, (counts.get(value) ?? 0) + changed);
        each.minMatch = minMatchOf(each);
      }
    },
    filter(state, _info, node) {
      const constraints = state.read(HARD) ?? [];
      if (!hasKeys(constraints, node.labels)) return unresolvable(MISSING_LABEL);
      return constraints.some((constraint) => skew(constraint, node) > constraint.maxSkew)
        ? unschedulable(MISMATCH)
        : undefined;
    },
    preScore(state, { pod }, nodes) {
      const needsAllKeys = (pod.spec.topologySpreadConstraints ?? []).length > 0;
      const stated = needsAllKeys ? withAction("ScheduleAnyway", pod) : undefined;
      const all = stated ?? defaultConstraints(pod, workloads);
      if (all.length === 0) return SKIP;
      const constraints = softConstraints(all, needsAllKeys, pod, state, nodes);
      state.write(SOFT, { constraints, needsAllKeys });
      return undefined;
    },
    score: (state, _info, node) => occupancy(state.read(SOFT), node),
    normalizeScore: invert,
  };
}

function withAction(action: string, pod: Pod): TopologySpreadConstraint[] {
  const all = pod.spec.topologySpreadConstraints ?? [];
  return all.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === action);
}

function hardConstraints(pod: Pod, state: CycleState): HardConstraint[] {
  const constraints = withAction("DoNotSchedule", pod);
  const nodes = state.snapshot.nodes.filter(({ labels }) => hasKeys(constraints, labels));
  return constraints.map((constraint) => {
    const key = constraint.topologyKey;
    const { labelSelector: selector } = constraint;
    const terms = termsOf(selector) ?? [];
    const counts = new Map<string, number>();
    countMatching(counts, nodes, constraint, pod, state, terms);
    const selfMatch = matchesSelector(selector, pod.metadata.labels) ? 1 : 0;
    const minMatch = minMatchOf({ ...constraint, counts });
    return { ...constraint, key, terms, counts, selfMatch, minMatch };
  });
}

function minMatchOf({ counts, minDomains = 1 }: Pick<HardConstraint, "counts" | "minDomains">) {
  return counts.size >= Math.max(minDomains, 1) ? Math.min(...counts.values()) : 0;
}

/** Counts the pods of all nodes in the domains of `feasible`, the nodes that are to be scored. */
function softConstraints(
  constraints: readonly TopologySpreadConstraint[],
  needsAllKeys: boolean,
  pod: Pod,
  state: CycleState,
  feasible: readonly NodeInfo[],
): SoftConstraint[] {
  const counting = ({ labels }: NodeInfo) => !needsAllKeys || hasKeys(constraints, labels);
  const [nodes, scored] = [state.snapshot.nodes.filter(counting), feasible.filter(counting)];
  return constraints.map((constraint) => {
    const { topologyKey: key, maxSkew } = constraint;
    const domains = scored.flatMap(({ labels }) => own(labels, key) ?? []);
    const counts = new Map(domains.map((value) => [value, 0]));
    const inDomain = ({ labels }: NodeInfo) => counts.has(own(labels, key) ?? "");
    countMatching(counts, nodes.filter(inDomain), constraint, pod, state);
    return { key, maxSkew, counts, weight: Math.log(counts.size + 2) };
  });
}

/** Adds the matching pods of the nodes that the constraint's inclusion policies admit. */
function countMatching(
  counts: Map<string, number>,
  nodes: readonly NodeInfo[],
  constraint: TopologySpreadConstraint,
  pod: Pod,
  state: CycleState,
  terms: LabelTerms = termsOf(constraint.labelSelector) ?? [],
): void {
  for (const node of nodes) {
    if (!isIncluded(constraint, pod, node, state)) continue;
    const value = own(node.labels, constraint.topologyKey) ?? "";
    counts.set(value, (counts.get(value) ?? 0) + matching(node.pods.values(), pod, terms));
  }
}

function hasKeys(
  constraints: readonly TopologySpreadConstraint[],
  labels: Record<string, string>,
): boolean {
  return constraints.every(({ topologyKey }) => own(labels, topologyKey) !== undefined);
}

/** Whether the inclusion policies admit a node: by default those that its affinity selects. */
function isIncluded(
  { nodeAffinityPolicy, nodeTaintsPolicy }: TopologySpreadConstraint,
  pod: Pod,
  { node }: NodeInfo,
  state: CycleState,
): boolean {
  if (!node) return false;
  if (nodeAffinityPolicy !== "Ignore" && !matchesNode(state, pod, node)) return false;
  if (nodeTaintsPolicy !== "Honor") return true;
  const hard = ["NoSchedule", "NoExecute"];
  return !untolerated(node.spec.taints, pod.spec.tolerations, hard);
}

/**
 * Counts the pods that match all terms; as upstream, none without any term. Not upstream's: no
 * mirror pods, as in `PodTerm`.
 */
function matching(others: Iterable<PodInfo>, pod: Pod, terms: LabelTerms): number {
  if (terms.length === 0) return 0;
  let count = 0;
  for (const { pod: other } of others) {
    if (other.metadata.deletionTimestamp) continue;
    if (other.metadata.namespace !== pod.metadata.namespace) continue;
    if (!isMirrorPod(other) && matchesLabels(terms, other.metadata.labels)) count += 1;
  }
  return count;
}

/** Matching pods of the node's domain with this one, above those of the emptiest domain. */
function skew({ key, counts, selfMatch, minMatch }: HardConstraint, node: NodeInfo): number {
  // lab:09 begin skew
  return (counts.get(own(node.labels, key) ?? "") ?? 0) + selfMatch - minMatch;
  // lab:09 end
}

/** Sums the weighted counts of the node's domains; infinite if it lacks a label that it needs. */
function occupancy({ constraints, needsAllKeys }: Soft = NO_SOFT, { labels }: NodeInfo): number {
  let sum = 0;
  for (const { key, counts, maxSkew, weight } of constraints) {
    const value = own(labels, key);
    if (value !== undefined) sum += (counts.get(value) ?? 0) * weight + (maxSkew - 1);
    else if (needsAllKeys) return Number.POSITIVE_INFINITY;
  }
  return Math.round(sum);
}

/**
 * Inverts scores, as upstream: with the least and the most of those that are finite, a node gets
 * SCORE_MAX * (most + least - score) / most, rounded down, or SCORE_MAX if `most` is 0. One without
 * the label, whose score is infinite, gets 0.
 */
function invert(scores: number[]): number[] {
  // lab:09 begin invert
  const finite = scores.filter(Number.isFinite);
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  return scores.map((score) => {
    if (!Number.isFinite(score)) return 0;
    return most === 0 ? SCORE_MAX : Math.floor((SCORE_MAX * (most + least - score)) / most);
  });
  // lab:09 end
}
