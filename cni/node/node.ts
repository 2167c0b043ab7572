import { addAddress } from "@raft2kube/linux/address.ts";
import { getLink, openRoute, setLink } from "@raft2kube/linux/link.ts";
import { deleteNetns, inNetns } from "@raft2kube/linux/netns.ts";
import { applyRuleset } from "@raft2kube/linux/nft.ts";
import { replaceRoute } from "@raft2kube/linux/route.ts";
import { writeSysctl } from "@raft2kube/linux/sysctl.ts";
import { CodedError, isErrno } from "@raft2kube/std/errors.ts";
import { disableRouteLearning } from "../lib/route-learning.ts";
import { boundConnections } from "./connection-bound.ts";
import { connectPort, ensureNetns, prefixOf, removePort } from "./underlay.ts";

/** A node: a network namespace with one link, to the bridge of the underlay. */
export interface NodeLink {
  /** The file that pins the namespace. The link in it is `eth0`. */
  netnsPath: string;
  /** The file that pins the bridge's namespace, and the name of the node's port there. */
  underlayNetns: string;
  port: string;
  /** The host's address on the bridge, the node's way out. */
  hostAddress: string;
  nodeAddress: string;
  /** The addresses of the host and of all nodes, in CIDR notation. */
  nodeRange: string;
  /** The range of the pods of all nodes. */
  podCidr: string;
  serviceCidr: string;
}

export const NODE_DEVICE = "eth0";

const LAST_RESORT_METRIC = 4_294_967;

/**
 * Creates a node's namespace and its link; the underlay must be there. Idempotent: creates what is
 * missing.
 */
export async function createNode(node: NodeLink): Promise<void> {
  ensureNetns(node.netnsPath);
  inNetns(node.netnsPath, () => prepareInside());
  connectPort({
    netnsPath: node.underlayNetns,
    port: node.port,
    device: NODE_DEVICE,
    peerNetns: node.netnsPath,
    address: node.nodeAddress,
  });
  inNetns(node.netnsPath, () => linkInside(node));
  await applyRuleset(insideRules(node), { netns: node.netnsPath });
  await boundConnections(node.netnsPath, node.podCidr);
}

/** Deletes all that `createNode` creates; ignores what is missing. */
export function deleteNode(
  node: Pick<NodeLink, "netnsPath" | "underlayNetns" | "port">,
): void {
  removePort(node.underlayNetns, node.port);
  deleteNetns(node.netnsPath);
}

/**
 * Returns the transaction in the node that rejects addresses of no Service: the host routes the
 * whole range here, and the default route leads back to the host, which would loop.
 */
function insideRules({ serviceCidr }: NodeLink): string {
  const table = "r2k-node";
  const refuse = (chain: string) => [
    `add chain ip ${table} ${chain} { type filter hook ${chain} priority filter + 10; }`,
    `add rule ip ${table} ${chain} ip daddr ${serviceCidr} meta l4proto tcp reject with tcp reset`,
    `add rule ip ${table} ${chain} ip daddr ${serviceCidr} reject`,
  ];
  return [
    `add table ip ${table}`,
    `delete table ip ${table}`,
    `add table ip ${table}`,
    ...refuse("forward"),
    ...refuse("output"),
    "",
  ].join("\n");
}

function prepareInside(): void {
  using route = openRoute();
  setLink(route, getLink(route, "lo"), { up: true });
  writeSysctl("net.ipv4.ip_forward", 1);
  // Pods of one bridge reply to each other directly. With br_netfilter a reply passes conntrack,
  // which translates its source back to the Service's address.
  try {
    writeSysctl("net.bridge.bridge-nf-call-iptables", 1);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
    const what = "the kernel does not show bridged packets to netfilter (net.bridge is missing)";
    const remedy = "modprobe br_netfilter";
    throw new CodedError("no-br-netfilter", what, { remedy, cause: thrown });
  }
}

function linkInside({ hostAddress, nodeAddress, nodeRange, podCidr }: NodeLink): void {
  using route = openRoute();
  const { index } = getLink(route, NODE_DEVICE);
  disableRouteLearning(NODE_DEVICE);
  setLink(route, { index }, { up: true });
  addAddress(route, index, `${nodeAddress}/${prefixOf(nodeRange)}`);
  replaceRoute(route, { to: "0.0.0.0/0", via: hostAddress, link: index, source: nodeAddress });
  // Packets to absent pods must not go to the host, which would send them back. The routes to the
  // nodes' parts of the range are more specific or, for the same range, have a lower metric.
  replaceRoute(route, { to: podCidr, link: 0, metric: LAST_RESORT_METRIC, unreachable: true });
}
