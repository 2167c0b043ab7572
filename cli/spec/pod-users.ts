import type { ClusterConfig } from "./config.ts";
import { NODES_MAX } from "./nodes.ts";

/** Users of a pod, and pods of a node (KEP-127; the kubelet's defaults). */
const USERS_OF_POD = 65_536;
const PODS_OF_NODE = 110;
/** Nodes whose users fit into 32 bits, after those of the machine itself. */
const NODES = Math.floor((2 ** 32 - 2 * USERS_OF_POD) / USERS_OF_POD / PODS_OF_NODE);

/**
 * The ids of a node's pods with users of their own: nodes of one machine share its kernel, and two
 * of one cluster never have an id in common.
 */
export function podUsersOf({ slot, nodeAddress }: Pick<ClusterConfig, "slot" | "nodeAddress">): {
  first: number;
  pods: number;
} {
  const number = slot * NODES_MAX + Number(nodeAddress.split(".").at(-1));
  const first = USERS_OF_POD * (1 + (number % NODES) * PODS_OF_NODE);
  return { first, pods: PODS_OF_NODE };
}
