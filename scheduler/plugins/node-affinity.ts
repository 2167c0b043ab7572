import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
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
  events: ["node-added", "node-labels"],
  preFilter(_state, { pod }) {
    const { nodeSelector, affinity } = pod.spec;
    const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    return required || Object.keys(nodeSelector ?? {}).length > 0 ? undefined : SKIP;
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

function preferredTerms({ pod }: PodInfo) {
  const affinity = pod.spec.affinity?.nodeAffinity;
  return affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
}
