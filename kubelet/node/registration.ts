import type { Node, NodeStatus } from "@raft2kube/api/gen/core/v1.ts";
import { isAlreadyExists } from "@raft2kube/client-kube/errors.ts";
import { CONTROLLER_ATTACHES } from "@raft2kube/client-kube/object/attachments.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { architecture } from "./machine.ts";

export interface NodeDescription {
  nodeName: string;
  hostname: string;
  labels: Record<string, string>;
  taints: { key: string; value?: string; effect: string }[];
}

/** Returns the labels that every node has and those of the options. */
export const nodeLabels = ({ hostname, labels }: NodeDescription): Record<string, string> => ({
  "kubernetes.io/hostname": hostname,
  "kubernetes.io/os": "linux",
  "kubernetes.io/arch": architecture(),
  "beta.kubernetes.io/os": "linux",
  "beta.kubernetes.io/arch": architecture(),
  ...labels,
});

const ANNOTATIONS = { [CONTROLLER_ATTACHES]: "true" };

/**
 * Creates the Node, or updates labels and annotations of an existing one; its taints, cordon and
 * pod range are kept.
 */
export async function registerNode(
  nodes: ResourceClient<Node>,
  description: NodeDescription,
  status: NodeStatus,
): Promise<Node> {
  const { nodeName, taints } = description;
  const labels = nodeLabels(description);
  try {
    return await nodes.create({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: nodeName, labels, annotations: ANNOTATIONS },
      spec: taints.length > 0 ? { taints: taints as NonNullable<Node["spec"]>["taints"] } : {},
      status,
    } as Node);
  } catch (thrown) {
    if (!isAlreadyExists(thrown)) throw thrown;
  }
  const node = await nodes.get({ name: nodeName });
  const present = node.metadata.labels ?? {};
  const missing = Object.entries(labels).filter(([key, value]) => present[key] !== value);
  const isManaged = node.metadata.annotations?.[CONTROLLER_ATTACHES] !== undefined;
  if (missing.length === 0 && isManaged) return node;
  const patch = { metadata: { labels: Object.fromEntries(missing), annotations: ANNOTATIONS } };
  return nodes.patch({ name: nodeName }, "strategic", patch);
}
