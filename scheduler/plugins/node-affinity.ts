import { nodeAffinityMatches, termMatches } from "@raft2kube/client-kube/object/node-selector.ts";
import {
  defaultNormalizeScore,
  type FilterPlugin,
  type PreFilterPlugin,
  type PreScorePlugin,
  type ScorePlugin,
} from "../framework/plugin.ts";
import { SKIP, unresolvable } from "../framework/status.ts";
import type { PodInfo } from "../node-info.ts";

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
  filter(_state, { pod }, { node }) {
    return node && nodeAffinityMatches(pod, node)
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
