import type { Toleration } from "@raft2kube/api/gen/core/v1.ts";
import type { Pod } from "../../object/pod.ts";
import { type AdmissionPlugin, concerns } from "../plugin.ts";

/** How long a pod stays on a node that has gone quiet (upstream's default). */
const TOLERATION_SECONDS = 300;
const TAINTS = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/**
 * Pods stay five minutes on a node that is not ready or not reachable, unless they say otherwise.
 */
export const defaultTolerationSeconds = (): AdmissionPlugin => ({
  name: "DefaultTolerationSeconds",
  admit(request) {
    if (request.operation === "DELETE" || !concerns(request, "", "pods")) return;
    const { spec } = request.object as Pod;
    for (const key of TAINTS) {
      if ((spec.tolerations ?? []).some((toleration) => covers(toleration, key))) continue;
      const tolerationSeconds = TOLERATION_SECONDS;
      spec.tolerations = [
        ...(spec.tolerations ?? []),
        { key, operator: "Exists", effect: "NoExecute", tolerationSeconds },
      ];
    }
  },
});

function covers(toleration: Toleration, key: string): boolean {
  const { key: held = "", effect = "" } = toleration;
  return (held === key || held === "") && (effect === "NoExecute" || effect === "");
}
