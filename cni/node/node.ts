import { addAddress } from "@raft2kube/linux/address.ts";
import { getLink, openRoute, setLink } from "@raft2kube/linux/link.ts";
import { deleteNetns, inNetns } from "@raft2kube/linux/netns.ts";
import { applyRuleset } from "@raft2kube/linux/nft.ts";
import { replaceRoute } from "@raft2kube/linux/route.ts";
import { writeSysctl } from "@raft2kube/linux/sysctl.ts";
import { CodedError, isErrno } from "@raft2kube/std/errors.ts";
import { disableRouteLearning } from "../lib/route-learning.ts";
import { ensureChains, type OwnChains } from "../lib/own-chains.ts";
import { boundConnections, boundConnectionsByIptables } from "./connection-bound.ts";
import { connectPort, ensureNetns, prefixOf, removePort } from "./underlay.ts";

/** A network namespace with one link, to the bridge of the underlay. */
export interface NodePort {
  /** The file that pins the namespace. The link in it is `eth0`. */
  netnsPath: string;
  /** The file that pins the bridge's namespace, and the name of the node's port there. */
  underlayNetns: string;
  port: string;
  nodeAddress: string;
}

/** The addresses and ranges that a node's links, routes and rules are made of. */
export interface NodeNetwork {
  /** The host's address on the bridge, the node's way out. */
  hostAddress: string;
  nodeAddress: string;
  /** The addresses of the host and of all nodes, in CIDR notation. */
  nodeRange: string;
  /** The range of the pods of all nodes. */
  podCidr: string;
  serviceCidr: string;
}

/** A node in its namespace. */
export interface NodeLink extends NodePort, NodeNetwork {}

export const NODE_DEVICE = "eth0";

const LAST_RESORT_METRIC = 4_294_967;

/**
 * Creates a node's namespace and its link; the underlay must be there. Idempotent: creates what is
 * missing.
 */
export async function createNode(node: NodeLink): Promise<void> {
  const { netnsPath: netns } = node;
  ensureNetns(netns);
  inNetns(netns, () => prepareInside());
  connectNode(node);
  inNetns(netns, () => linkInside(node));
  await applyRuleset(insideRules(node), { netns });
  await boundConnections(netns, node.podCidr);
}

/**
 * Creates a guest's namespace and its link, whose frames the guest's kernel sends and receives: the
 * link has the guest's hardware address, and no address of the network.
 */
export function createGuestLink(node: NodePort): void {
  ensureNetns(node.netnsPath);
  inNetns(node.netnsPath, () => disableIpv6());
  connectNode(node);
  inNetns(node.netnsPath, () => {
    using route = openRoute();
    setLink(route, getLink(route, NODE_DEVICE), { up: true });
  });
}

/** Sets up the network of a guest from within, whose kernel has no nftables. */
export async function configureGuest(node: NodeNetwork): Promise<void> {
  prepareInside();
  linkInside(node);
  await ensureChains(insideChains(node));
  await boundConnectionsByIptables(node.podCidr);
}

function connectNode({ underlayNetns, port, netnsPath, nodeAddress }: NodePort): void {
  connectPort({
    netnsPath: underlayNetns,
    port,
    device: NODE_DEVICE,
    peerNetns: netnsPath,
    address: nodeAddress,
  });
}

/** Without an address of its own the link takes part in nothing. */
function disableIpv6(): void {
  try {
    writeSysctl("net.ipv6.conf.default.disable_ipv6", 1);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown; // a kernel without IPv6
  }
}

/** Deletes all that `createNode` creates; ignores what is missing. */
export function deleteNode(
  node: Pick<NodePort, "netnsPath" | "underlayNetns" | "port">,
): void {
  removePort(node.underlayNetns, node.port);
  deleteNetns(node.netnsPath);
}

/**
 * Returns the transaction in the node that rejects addresses of no Service: the host routes the
 * whole range here, and the default route leads back to the host, which would loop.
 */
function insideRules({ serviceCidr }: NodeNetwork): string {
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

/** The same in a chain of iptables. */
function insideChains({ serviceCidr }: NodeNetwork): OwnChains {
  const chain = "R2K-NODE";
  return {
    table: "filter",
    hooks: { FORWARD: chain, OUTPUT: chain },
    rules: [
      `-A ${chain} -d ${serviceCidr} -p tcp -j REJECT --reject-with tcp-reset`,
      `-A ${chain} -d ${serviceCidr} -j REJECT --reject-with icmp-port-unreachable`,
    ],
  };
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

function linkInside({ hostAddress, nodeAddress, nodeRange, podCidr }: NodeNetwork): void {
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
