import type { Node } from "@raft2kube/api/gen/core/v1.ts";

/** On a node: an administrator says that it is shut down, so that nothing runs on it. */
const OUT_OF_SERVICE = "node.kubernetes.io/out-of-service";

/** Whether the Ready condition is True. */
export function isNodeReady({ status }: Node): boolean {
  return status?.conditions?.some((each) => each.type === "Ready" && each.status === "True") ??
    false;
}

/** Whether a node is marked as out of service. */
export function isOutOfService({ spec }: Node): boolean {
  return spec.taints?.some(({ key }) => key === OUT_OF_SERVICE) ?? false;
}
