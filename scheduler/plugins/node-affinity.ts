import { type Plugin, scaleToHighest, unfit } from "../framework.ts";
import { nodeAffinityMatches, termMatches } from "../node-selector.ts";

/** Holds to nodeSelector and required node affinity, and scores by preferred ones. */
export const nodeAffinity: Plugin = {
  name: "NodeAffinity",
  weight: 2,
  events: ["node-added", "node-labels"],
  consider({ pod }) {
    const { nodeSelector, affinity } = pod.spec;
    const preferred = affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution;
    const opinion: ReturnType<Plugin["consider"]> = {};
    const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    if (required || Object.keys(nodeSelector ?? {}).length > 0) {
      opinion.filter = ({ node }) =>
        node && nodeAffinityMatches(pod, node)
          ? undefined
          : unfit("node(s) didn't match Pod's node affinity/selector");
    }
    if (preferred && preferred.length > 0) {
      opinion.score = ({ node }) =>
        preferred.reduce((sum, { weight, preference }) => {
          return node && termMatches(preference, node) ? sum + weight : sum;
        }, 0);
      opinion.normalize = (scores) => scaleToHighest(scores);
    }
    return opinion;
  },
};
