import { join } from "node:path";
import { type NodeLink, createNode, deleteNode } from "@raft2kube/cni/node/node.ts";
import type { ClusterConfig, ClusterPlace } from "../cluster/config.ts";

/** Where the node's network namespace is pinned. */
export function nodeNetns(config: ClusterPlace): string {
  return join(config.runDir, "netns", "node");
}

function deviceOf({ name }: ClusterPlace): string {
  return `r2k-${name}`;
}

function linkOf(config: ClusterConfig): NodeLink {
  const { name, hostAddress, nodeAddress, podCidr, serviceCidr } = config;
  return {
    name,
    netnsPath: nodeNetns(config),
    hostDevice: deviceOf(config),
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
export function removeNodeLink(place: ClusterPlace): Promise<void> {
  const { name } = place;
  return deleteNode({ name, netnsPath: nodeNetns(place), hostDevice: deviceOf(place) });
}
