import { type Plugin, unfit } from "../framework.ts";
import { tolerates } from "@raft2kube/client-kube/toleration.ts";

const TAINT = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" } as const;

/** Keeps pods off cordoned nodes, unless they tolerate the taint that goes with it. */
export const nodeUnschedulable: Plugin = {
  name: "NodeUnschedulable",
  weight: 0,
  events: ["node-added", "node-taints"],
  consider({ pod }) {
    if (pod.spec.tolerations?.some((toleration) => tolerates(toleration, TAINT))) return {};
    return {
      filter: ({ node }) =>
        node?.spec?.unschedulable ? unfit("node(s) were unschedulable") : undefined,
    };
  },
};
