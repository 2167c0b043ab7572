import { isDeepStrictEqual } from "node:util";
import type { Node as CoreNode } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { type AdmissionRequest, nodeRefusal } from "../plugin.ts";

const OWN_LABELS = new Set([
  "kubernetes.io/hostname",
  "kubernetes.io/arch",
  "kubernetes.io/os",
  "beta.kubernetes.io/arch",
  "beta.kubernetes.io/os",
  "node.kubernetes.io/instance-type",
  "beta.kubernetes.io/instance-type",
  "topology.kubernetes.io/region",
  "topology.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
]);
/** Labels by which pods are kept away from nodes that are not trusted with them. */
const RESTRICTED_DOMAIN = "node-restriction.kubernetes.io";
const OWN_PREFIXES = ["kubelet.kubernetes.io/", "node.kubernetes.io/"];

type Node = CoreNode & KubeObject;

/**
 * Throws 403 unless a node changes only its own Node, without taints, owners, most labels, the
 * ranges of its pods and its attached volumes.
 */
export function checkNode(request: AdmissionRequest, node: string): void {
  if (request.operation === "DELETE") throw nodeRefusal(request, node, "cannot delete nodes");
  const name = request.object?.metadata.name ?? request.name;
  if (name !== node) {
    throw nodeRefusal(request, node, `is not allowed to modify node ${JSON.stringify(name)}`);
  }
  const object = request.object as Node;
  const old = request.old as Node | undefined;
  checkLabels(request, object, old, node);
  // Other nodes send packets of these pods' addresses to it.
  if (!isDeepStrictEqual(podRanges(object), podRanges(old))) {
    throw nodeRefusal(request, node, "is not allowed to modify podCIDRs");
  }
  // The garbage collector deletes a Node with its owner (CVE-2025-5187).
  const { ownerReferences: owners = [] } = object.metadata;
  if (!isDeepStrictEqual(owners, old?.metadata.ownerReferences ?? [])) {
    throw nodeRefusal(request, node, "is not allowed to modify ownerReferences");
  }
  // The controller that attaches volumes writes this list, and corrects it one volume at a time.
  if (!isDeepStrictEqual(attached(object), attached(old))) {
    throw nodeRefusal(request, node, "is not allowed to modify volumesAttached");
  }
  if (old === undefined) return;
  if (!isDeepStrictEqual(object.spec?.taints ?? [], old.spec?.taints ?? [])) {
    throw nodeRefusal(request, node, "is not allowed to modify taints");
  }
}

const attached = (node: Node | undefined) => node?.status?.volumesAttached ?? [];

function podRanges(node: Node | undefined): readonly string[] {
  const { podCIDR, podCIDRs = podCIDR ? [podCIDR] : [] } = node?.spec ?? {};
  return podCIDRs;
}

/** Throws 403 if a label is changed by which pods with secrets could be drawn to the node. */
function checkLabels(
  request: AdmissionRequest,
  object: Node,
  old: Node | undefined,
  node: string,
): void {
  const now = object.metadata.labels ?? {};
  const before = old?.metadata.labels ?? {};
  const changed = [...new Set([...Object.keys(now), ...Object.keys(before)])].filter(
    (key) => now[key] !== before[key],
  );
  const refused = changed.filter((key) => !mayLabel(key)).sort();
  if (refused.length > 0) {
    const labels = refused.join(", ");
    throw nodeRefusal(request, node, `is not allowed to modify labels: ${labels}`);
  }
}

function mayLabel(key: string): boolean {
  const domain = key.includes("/") ? key.slice(0, key.indexOf("/")) : "";
  if (domain === RESTRICTED_DOMAIN || domain.endsWith(`.${RESTRICTED_DOMAIN}`)) return false;
  const reserved = ["kubernetes.io", "k8s.io"].some(
    (each) => domain === each || domain.endsWith(`.${each}`),
  );
  if (!reserved) return true;
  return (
    OWN_LABELS.has(key) ||
    OWN_PREFIXES.some((prefix) => key.startsWith(prefix)) ||
    OWN_PREFIXES.some((prefix) => domain.endsWith(`.${prefix.slice(0, -1)}`))
  );
}
