import type { KubeObject } from "@raft2kube/api/kind.ts";
import { type AdmissionPlugin, concerns } from "../plugin.ts";

interface Node extends KubeObject {
  spec: { taints?: { key: string; effect: string }[] };
}

const TAINT = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" };

/** A new node takes no pods until its controller has seen it ready. */
export function taintNodesByCondition(): AdmissionPlugin {
  return {
    name: "TaintNodesByCondition",
    admit(request) {
      if (request.operation !== "CREATE" || !concerns(request, "", "nodes")) return;
      const { spec } = request.object as Node;
      const taints = spec.taints ?? [];
      if (taints.some(({ key, effect }) => key === TAINT.key && effect === TAINT.effect)) return;
      spec.taints = [...taints, { ...TAINT }];
    },
  };
}
