import { deleteNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import { getLink, openRoute, setLink } from "@raft2kube/linux/netlink/link.ts";
import { replaceRoute } from "@raft2kube/linux/netlink/route.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { placeAt } from "../lib/own-table.ts";
import { disableRouteLearning } from "../lib/route-learning.ts";
import { guestRepair, NODE_DEVICE, type NodeNetwork, nodeRepair } from "./node-repair.ts";
import { guardPort, unguardPort } from "./port-guard.ts";
import { connectPort, ensureNetns, macOf, prefixOf, removePort } from "./underlay.ts";

/** A network namespace with one link, to the bridge of the underlay. */
export interface NodePort {
  /** The file that pins the namespace. The link in it is `eth0`. */
  netnsPath: string;
  /** The file that pins the bridge's namespace, and the name of the node's port there. */
  underlayNetns: string;
  port: string;
  nodeAddress: string;
  /** The addresses of the host and of all nodes, in CIDR notation. */
  nodeRange: string;
}

/** A node in its namespace. */
export interface NodeLink extends NodePort, NodeNetwork {}

const LAST_RESORT_METRIC = 4_294_967;

/**
 * Creates a node's namespace and its link; the underlay must be there. Idempotent: creates what is
 * missing.
 */
export async function createNode(node: NodeLink): Promise<void> {
  const { netnsPath: netns } = node;
  ensureNetns(netns);
  await connectNode(node);
  inNetns(netns, () => linkInside(node));
  await nodeRepair(node, placeAt(netns))();
}

/**
 * Creates the namespace and the link of a machine that runs no pods: without a node's rules and
 * settings of the kernel. Idempotent.
 */
export async function createMachine(machine: NodeLink): Promise<void> {
  ensureNetns(machine.netnsPath);
  await connectNode(machine);
  inNetns(machine.netnsPath, () => linkInside(machine));
}

/**
 * Creates a guest's namespace and its link, whose frames the guest's kernel sends and receives: the
 * link has the guest's hardware address, and no address of the network.
 */
export async function createGuestLink(node: NodePort): Promise<void> {
  ensureNetns(node.netnsPath);
  inNetns(node.netnsPath, () => disableIpv6());
  await connectNode(node);
  inNetns(node.netnsPath, () => {
    using route = openRoute();
    setLink(route, getLink(route, NODE_DEVICE), { up: true });
  });
}

/** Sets up the network of a guest from within, whose kernel has no nftables. */
export async function configureGuest(node: NodeNetwork): Promise<void> {
  linkInside(node);
  await guestRepair(node)();
}

async function connectNode(node: NodePort): Promise<void> {
  const { underlayNetns, port, netnsPath, nodeAddress } = node;
  connectPort({
    netnsPath: underlayNetns,
    port,
    device: NODE_DEVICE,
    peerNetns: netnsPath,
    address: nodeAddress,
  });
  await guardPort({ ...node, mac: macOf(nodeAddress) });
}

/** Disables IPv6: without an address of its own the link sends nothing. */
function disableIpv6(): void {
  // A kernel without IPv6.
  tolerateSync(() => writeSysctl("net.ipv6.conf.default.disable_ipv6", 1), errno("ENOENT"));
}

/** Deletes all that `createNode` creates; ignores what is missing. */
export async function deleteNode(
  node: Pick<NodePort, "netnsPath" | "underlayNetns" | "port">,
): Promise<void> {
  removePort(node.underlayNetns, node.port);
  deleteNetns(node.netnsPath);
  await unguardPort(node.underlayNetns, node.port);
}

function linkInside({ hostAddress, nodeAddress, nodeRange, podCidr }: NodeNetwork): void {
  using route = openRoute();
  setLink(route, getLink(route, "lo"), { up: true });
  const { index } = getLink(route, NODE_DEVICE);
  disableRouteLearning(NODE_DEVICE);
  setLink(route, { index }, { up: true });
  addAddress(route, index, `${nodeAddress}/${prefixOf(nodeRange)}`);
  replaceRoute(route, { to: "0.0.0.0/0", via: hostAddress, link: index, source: nodeAddress });
  // Packets to absent pods must not go to the host, which would send them back. The routes to the
  // nodes' parts of the range are more specific or, for the same range, have a lower metric.
  replaceRoute(route, { to: podCidr, link: 0, metric: LAST_RESORT_METRIC, unreachable: true });
}
