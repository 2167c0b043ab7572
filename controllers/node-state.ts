import type { Node } from "@raft2kube/api/gen/core/v1.ts";

/**
 * Taint of a node that an administrator has marked as shut down, so that no container runs on it.
 */
const OUT_OF_SERVICE = "node.kubernetes.io/out-of-service";

/** Labels of the control plane's nodes. A kubelet may not give them (NodeRestriction). */
const CONTROL_PLANE = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/** Whether a node has the label of the control plane's nodes. */
export function isControlPlane({ metadata: { labels = {} } }: Node): boolean {
  return CONTROL_PLANE.some((label) => label in labels);
}

/** Whether the Ready condition is True. */
export const isNodeReady = ({ status }: Node): boolean =>
  status?.conditions?.some((each) => each.type === "Ready" && each.status === "True") ?? false;

/** Whether a node is marked as out of service. */
export function isOutOfService({ spec }: Node): boolean {
  return spec.taints?.some(({ key }) => key === OUT_OF_SERVICE) ?? false;
}

/** A node's zone by upstream's key: region and zone, apart by a character that neither has. */
export function zoneOf({ metadata: { labels = {} } }: Node): string {
  const zone = labels["topology.kubernetes.io/zone"] ?? "";
  const region = labels["topology.kubernetes.io/region"] ?? "";
  return zone === "" && region === "" ? "" : `${region}:\0:${zone}`;
}
