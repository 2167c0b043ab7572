import { join } from "node:path";
import { type NodeLink, createNode, deleteNode } from "@raft2kube/cni/node/node.ts";
import type { ClusterConfig } from "../cluster/config.ts";

/** Where the node's network namespace is pinned. */
export function nodeNetns(config: ClusterConfig): string {
  return join(config.runDir, "netns", "node");
}

function linkOf(config: ClusterConfig): NodeLink {
  const { name, hostAddress, nodeAddress, podCidr, serviceCidr } = config;
  return {
    name,
    netnsPath: nodeNetns(config),
    hostDevice: `r2k-${name}`,
    hostAddress,
    nodeAddress,
    podCidr,
    serviceCidr,
  };
}

/** Makes the node's namespace and joins it to the host; repairs what is missing. */
export function addNodeLink(config: ClusterConfig): Promise<void> {
  return createNode(linkOf(config));
}

/** Removes the namespace, the link, the routes and the rule. */
export function removeNodeLink(config: ClusterConfig): Promise<void> {
  return deleteNode(linkOf(config));
}
