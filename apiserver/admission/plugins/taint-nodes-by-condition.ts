import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { type AdmissionPlugin, concerns } from "../plugin.ts";

const TAINT = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" } as const;

/** A new node takes no pods until its controller has seen it ready. */
export const taintNodesByCondition = (): AdmissionPlugin => ({
  name: "TaintNodesByCondition",
  admit(request) {
    if (request.operation !== "CREATE" || !concerns(request, "", "nodes")) return;
    const node = request.object as Node;
    const { taints = [] } = (node.spec ??= {});
    if (taints.some(({ key, effect }) => key === TAINT.key && effect === TAINT.effect)) return;
    node.spec.taints = [...taints, { ...TAINT }];
  },
});
