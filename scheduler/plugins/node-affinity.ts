import type { Node, NodeSelectorTerm, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { nodeAffinityMatches, termMatches } from "@raft2kube/client-kube/object/node-selector.ts";
import { type CycleState, StateKey } from "../framework/cycle-state.ts";
import {
  defaultNormalizeScore,
  type FilterPlugin,
  type PreFilterPlugin,
  type PreScorePlugin,
  type ScorePlugin,
} from "../framework/plugin.ts";
import { SKIP, unresolvable } from "../framework/status.ts";
import type { PodInfo } from "../node-info.ts";

const MATCHES = new StateKey<Map<Node, boolean>>("NodeAffinity");

/**
 * Whether a node matches the pod's nodeSelector and required node affinity, of 20,000 terms: asked
 * once in a cycle and its preemption.
 */
export function matchesNode(state: CycleState, pod: Pod, node: Node): boolean {
  const known = state.read(MATCHES) ?? new Map<Node, boolean>();
  const matches = known.get(node) ?? nodeAffinityMatches(pod, node);
  state.write(MATCHES, known.set(node, matches));
  return matches;
}

type NodeAffinity = PreFilterPlugin & FilterPlugin & PreScorePlugin & ScorePlugin;

/** Enforces nodeSelector and required node affinity; scores by preferred node affinity. */
export const nodeAffinity: NodeAffinity = {
  name: "NodeAffinity",
  weight: 2,
  events: ["NodeAdd", "NodeLabelChange"],
  preFilter(state, { pod }) {
    const { nodeSelector, affinity } = pod.spec;
    const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    if (!required && Object.keys(nodeSelector ?? {}).length === 0) return SKIP;
    const names = required && namesIn(required.nodeSelectorTerms);
    if (names?.size === 0) return unresolvable("pod affinity terms conflict");
    if (names) state.narrow("NodeAffinity", names);
    return undefined;
  },
  filter(state, { pod }, { node }) {
    return node && matchesNode(state, pod, node)
      ? undefined
      : unresolvable("node(s) didn't match Pod's node affinity/selector");
  },
  preScore: (_state, info) => (preferredTerms(info).length > 0 ? undefined : SKIP),
  score(_state, info, { node }) {
    return preferredTerms(info).reduce((sum, { weight, preference }) => {
      return node && termMatches(preference, node) ? sum + weight : sum;
    }, 0);
  },
  normalizeScore: (scores) => defaultNormalizeScore(scores),
};

/** Returns the names that terms allow, as a daemon's pod has one; undefined if one allows any. */
function namesIn(terms: readonly NodeSelectorTerm[]): Set<string> | undefined {
  const names = new Set<string>();
  for (const { matchFields = [] } of terms) {
    const required = matchFields.filter(
      ({ key, operator }) => key === "metadata.name" && operator === "In",
    );
    const [first, ...others] = required.map(({ values = [] }) => values);
    if (!first) return undefined;
    for (const name of first) if (others.every((each) => each.includes(name))) names.add(name);
  }
  return terms.length > 0 ? names : undefined;
}

function preferredTerms({ pod }: PodInfo) {
  const affinity = pod.spec.affinity?.nodeAffinity;
  return affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
}
