import { tolerates } from "@raft2kube/client-kube/object/toleration.ts";
import type { FilterPlugin } from "../framework/plugin.ts";
import { unresolvable } from "../framework/status.ts";

const TAINT = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" } as const;

/** Rejects cordoned nodes, unless the pod tolerates the taint that cordoning adds. */
export const nodeUnschedulable: FilterPlugin = {
  name: "NodeUnschedulable",
  events: ["NodeAdd", "NodeTaintChange"],
  filter(_state, { pod }, { node }) {
    if (!node?.spec?.unschedulable) return undefined;
    return pod.spec.tolerations?.some((toleration) => tolerates(toleration, TAINT))
      ? undefined
      : unresolvable("node(s) were unschedulable");
  },
};
