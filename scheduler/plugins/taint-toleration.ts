import { tolerates, untolerated } from "@raft2kube/client-kube/object/toleration.ts";
import { defaultNormalizeScore, type FilterPlugin, type ScorePlugin } from "../framework/plugin.ts";
import { unresolvable } from "../framework/status.ts";

const HARD = ["NoSchedule", "NoExecute"];

/** Rejects nodes with untolerated taints; prefers nodes with fewer untolerated soft taints. */
export const taintToleration: FilterPlugin & ScorePlugin = {
  name: "TaintToleration",
  weight: 3,
  events: ["NodeAdd", "NodeTaintChange"],
  filter(_state, { pod }, { node }) {
    const taint = untolerated(node?.spec?.taints, pod.spec.tolerations ?? [], HARD);
    return taint ? unresolvable("node(s) had untolerated taint(s)") : undefined;
  },
  score(_state, { pod }, { node }) {
    const { tolerations = [] } = pod.spec;
    const soft = node?.spec?.taints?.filter((taint) => taint.effect === "PreferNoSchedule");
    return (soft ?? []).filter((taint) => !tolerations.some((t) => tolerates(t, taint))).length;
  },
  normalizeScore: (scores) => defaultNormalizeScore(scores, true),
};
