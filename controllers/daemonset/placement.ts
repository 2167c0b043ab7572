import type { DaemonSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { nodeAffinityMatches } from "@raft2kube/client-kube/object/node-selector.ts";
import { untolerated } from "@raft2kube/client-kube/object/toleration.ts";
import { daemonTolerations } from "./pod-of.ts";

/** Whether a DaemonSet's pod should run on a node. */
export interface Placement {
  /** A pod belongs there. */
  run: boolean;
  /** A pod that is there may stay. */
  stay: boolean;
}

/**
 * Decides where the pods of a DaemonSet belong, by node name, node selector, required affinity and
 * taints. A taint of effect NoSchedule keeps pods away and lets those stay that are there.
 */
export function placementOn(set: DaemonSet): (node: Node) => Placement {
  const { spec = { containers: [] } } = set.spec.template;
  const tolerations = daemonTolerations(spec);
  const pod: Pod = { metadata: {}, spec };
  return (node) => {
    const { taints } = node.spec ?? {};
    const named = !spec.nodeName || spec.nodeName === node.metadata.name;
    if (!named || !nodeAffinityMatches(pod, node)) return { run: false, stay: false };
    return {
      run: !untolerated(taints, tolerations, ["NoSchedule", "NoExecute"]),
      stay: !untolerated(taints, tolerations, ["NoExecute"]),
    };
  };
}

/** The node that a daemon pod is on, or that its affinity selects. */
export function targetNodeOf({ spec }: Pod): string | undefined {
  if (spec.nodeName) return spec.nodeName;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const fields = required?.nodeSelectorTerms.flatMap((term) => term.matchFields ?? []) ?? [];
  const name = fields.find(({ key, operator }) => key === "metadata.name" && operator === "In");
  return name?.values?.length === 1 ? name.values[0] : undefined;
}
