import { addAddress } from "@raft2kube/linux/address.ts";
import { createVeth, deleteLink, findLink, getLink, openRoute, setLink } from
  "@raft2kube/linux/link.ts";
import { createNetns, deleteNetns, inNetns, isNetns } from "@raft2kube/linux/netns.ts";
import { applyRuleset, deleteTable, nftTableExists } from "@raft2kube/linux/nft.ts";
import { replaceRoute } from "@raft2kube/linux/route.ts";
import { writeSysctl } from "@raft2kube/linux/sysctl.ts";
import { CodedError, isErrno } from "@raft2kube/std/errors.ts";
import { disableRouteLearning } from "../lib/route-learning.ts";
import { boundConnections } from "./connection-bound.ts";
import { enableForwarding, forwardingChain, restoreForwarding } from "./forwarding.ts";

/** A node: a network namespace that a veth pair connects with the host. */
export interface NodeLink {
  /** The cluster's name; the host's masquerade rule lives in the nft table `r2k-<name>`. */
  name: string;
  /** The file that pins the namespace. */
  netnsPath: string;
  /** The host's end, at most 15 characters. The node's end is `eth0`. */
  hostDevice: string;
  hostAddress: string;
  nodeAddress: string;
  /** Ranges that the host routes to the node. */
  podCidr: string;
  serviceCidr: string;
}

const NODE_DEVICE = "eth0";

const LAST_RESORT_METRIC = 4_294_967;

const tableOf = (name: string) => `r2k-${name}`;

/**
 * Creates a node's namespace, its link, the host's routes to pods and Services, and the rule that
 * masquerades the pods' traffic to other networks. Idempotent: creates what is missing.
 */
export async function createNode(node: NodeLink): Promise<void> {
  if (!isNetns(node.netnsPath)) {
    deleteNetns(node.netnsPath); // a file without a namespace, of an interrupted start
    createNetns(node.netnsPath);
  }
  inNetns(node.netnsPath, () => prepareInside());
  linkHost(node);
  inNetns(node.netnsPath, () => linkInside(node));
  await applyRuleset(insideRules(node), { netns: node.netnsPath });
  await boundConnections(node.netnsPath, node.podCidr);
  await applyRuleset(egressRules(node, await forwardingChain()));
  enableForwarding();
}

/** Deletes all that `createNode` creates; ignores what is missing. */
export async function deleteNode(
  node: Pick<NodeLink, "name" | "netnsPath" | "hostDevice">,
): Promise<void> {
  const table = tableOf(node.name);
  if (nftTableExists("ip", table)) {
    await restoreForwarding(table);
    await deleteTable("ip", table);
  }
  using route = openRoute();
  deleteLink(route, node.hostDevice); // the kernel deletes its address and routes with it
  deleteNetns(node.netnsPath);
}

/** Returns the transaction that adds the host's only rule. */
function egressRules(
  { name, hostDevice, nodeAddress, podCidr }: NodeLink,
  note: string,
): string {
  const table = tableOf(name);
  return [
    `add table ip ${table}`,
    `delete table ip ${table}`,
    `add table ip ${table}`,
    `add chain ip ${table} ${note}`,
    `add chain ip ${table} egress { type nat hook postrouting priority srcnat; }`,
    `add rule ip ${table} egress ip saddr { ${podCidr}, ${nodeAddress} } ` +
      `oifname != "${hostDevice}" masquerade`,
    "",
  ].join("\n");
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

function linkHost(node: NodeLink): void {
  const { netnsPath, hostDevice, hostAddress, nodeAddress } = node;
  using route = openRoute();
  if (!findLink(route, hostDevice)) {
    createVeth(route, { name: hostDevice }, { name: NODE_DEVICE, netns: netnsPath });
  }
  // Down in a new namespace; the API listens on it.
  setLink(route, getLink(route, "lo"), { up: true });
  const { index } = getLink(route, hostDevice);
  disableRouteLearning(hostDevice); // pods could send advertisements
  setLink(route, { index }, { up: true });
  // /32 addresses with a route to the peer, so that the two need no common subnet.
  addAddress(route, index, `${hostAddress}/32`);
  replaceRoute(route, { to: `${nodeAddress}/32`, link: index, source: hostAddress });
  for (const to of [node.podCidr, node.serviceCidr]) {
    replaceRoute(route, { to, via: nodeAddress, link: index, source: hostAddress });
  }
}

function linkInside({ hostAddress, nodeAddress, podCidr }: NodeLink): void {
  using route = openRoute();
  const { index } = getLink(route, NODE_DEVICE);
  disableRouteLearning(NODE_DEVICE);
  setLink(route, { index }, { up: true });
  addAddress(route, index, `${nodeAddress}/32`);
  replaceRoute(route, { to: `${hostAddress}/32`, link: index, source: nodeAddress });
  replaceRoute(route, { to: "0.0.0.0/0", via: hostAddress, link: index, source: nodeAddress });
  // Packets to absent pods must not go to the host, which would send them back. The bridge's route
  // is more specific or, for the same range, has a lower metric.
  replaceRoute(route, { to: podCidr, link: 0, metric: LAST_RESORT_METRIC, unreachable: true });
}
