import { type Plugin, scaleToHighest, unfit } from "../framework.ts";
import { tolerates, untolerated } from "@raft2kube/client-kube/toleration.ts";

const HARD = ["NoSchedule", "NoExecute"];

/** Keeps pods off nodes with taints they do not tolerate; of others, prefers fewer soft taints. */
export const taintToleration: Plugin = {
  name: "TaintToleration",
  weight: 3,
  events: ["node-added", "node-taints"],
  consider({ pod }) {
    const { tolerations = [] } = pod.spec;
    return {
      filter({ node }) {
        const taint = untolerated(node?.spec?.taints, tolerations, HARD);
        return taint ? unfit("node(s) had untolerated taint(s)") : undefined;
      },
      score({ node }) {
        const soft = node?.spec?.taints?.filter((taint) => taint.effect === "PreferNoSchedule");
        return (soft ?? []).filter((taint) => !tolerations.some((t) => tolerates(t, taint))).length;
      },
      normalize: (scores) => scaleToHighest(scores, true),
    };
  },
};
