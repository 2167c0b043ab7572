import { createNetns, deleteNetns, inNetns, isNetns } from "@raft2kube/linux/namespace/netns.ts";
import {
  deleteTable,
  MASQUERADE_PORTS,
  masquerades,
  nftTableExists,
} from "@raft2kube/linux/netfilter/nft.ts";
import { addAddress, listAddresses } from "@raft2kube/linux/netlink/address.ts";
import {
  createBridge,
  createVeth,
  deleteLink,
  findLink,
  getLink,
  type Link,
  listLinks,
  openRoute,
  setLink,
} from "@raft2kube/linux/netlink/link.ts";
import { replaceRoute } from "@raft2kube/linux/netlink/route.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { CodedError, errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { HERE, OwnTable } from "../lib/own-table.ts";
import { disableRouteLearning } from "../lib/route-learning.ts";
import { hostConnectionBounds } from "./connection-bound.ts";
import {
  enableForwarding,
  forwardingBefore,
  forwardingChain,
  restoreForwarding,
  savedForwarding,
} from "./forwarding.ts";

/**
 * The network that a cluster's nodes and the host share: a bridge in a namespace of its own, where
 * neither the host's firewall nor its other links meet the nodes' packets (docs/adr/0016).
 */
export interface Underlay {
  /** The cluster's name; the host's masquerade rule lives in the nft table `r2k-<name>`. */
  name: string;
  /** The file that pins the bridge's namespace. */
  netnsPath: string;
  /** The host's end of its link to the bridge: `r2k-` and at most 11 characters. */
  hostDevice: string;
  hostAddress: string;
  /** The addresses of the host and of all nodes, in CIDR notation. */
  nodeRange: string;
  /** Ranges that the host routes to a node. */
  podCidr: string;
  serviceCidr: string;
  /** The node that the host routes them to at first. */
  gateway: string;
}

/** The fields needed to masquerade the pods' traffic to other networks. */
type Egress = Pick<Underlay, "name" | "netnsPath" | "hostDevice" | "nodeRange" | "podCidr">;

export const BRIDGE = "br0";
/** The bridge's port that leads to the host. */
const HOST_PORT = "host";
/** Names of links in the bridge's namespace that no node's port may have. */
export const RESERVED_PORTS: readonly string[] = [BRIDGE, HOST_PORT, "lo"];

/** IFALIASZ - 1 of the kernel. */
const ALIAS_LENGTH_MAX = 255;

const tableOf = (name: string) => `r2k-${name}`;
/** The table that bounds the connections of pods on the host; a cluster's name has no dot. */
const boundOf = (name: string) => `${tableOf(name)}.pods`;

/**
 * Creates the bridge, the host's link to it, the host's routes to pods and Services, and the rule
 * that masquerades the pods' traffic to other networks. Idempotent: creates what is missing.
 */
export async function createUnderlay(underlay: Underlay): Promise<void> {
  requireOwn(underlay);
  ensureNetns(underlay.netnsPath);
  inNetns(underlay.netnsPath, () => prepareBridge());
  linkHost(underlay);
  await egressRepair(underlay)();
}

/**
 * Returns what puts the host's rule back, and its forwarding, if another program took them away;
 * resolves with whether it did, the first time too. Nothing is done while the host has no link to
 * the cluster, or has another cluster's: no pod's packet would come by it.
 */
export function egressRepair(underlay: Egress): () => Promise<boolean> {
  const table = new OwnTable(tableOf(underlay.name));
  const boundConnections = hostConnectionBounds(boundOf(underlay.name), underlay);
  let before: string | undefined;
  return async () => {
    if (!isLinked(underlay)) return false;
    before ??= await forwardingBefore();
    const differed = await table.ensure(HERE, egressRules(underlay, forwardingChain(before)));
    const isBoundLost = await boundConnections();
    return enableForwarding(underlay.hostDevice, before) || differed || isBoundLost;
  };
}

/**
 * Deletes all that `createUnderlay` creates, and every port; ignores what is missing. On the host
 * nothing is deleted when the link is another cluster's of that name.
 */
export async function deleteUnderlay({
  name,
  netnsPath,
  hostDevice,
}: Pick<Underlay, "name" | "netnsPath" | "hostDevice">): Promise<void> {
  using route = openRoute();
  const table = tableOf(name);
  if (isOwn(findLink(route, hostDevice), netnsPath)) {
    const before = await savedForwarding(table);
    if (before !== undefined) await restoreForwarding(table, before);
    for (const each of [table, boundOf(name)]) {
      if (nftTableExists("ip", each)) await deleteTable("ip", each);
    }
    deleteLink(route, hostDevice); // the kernel deletes its address and routes with it
    if (before !== undefined) await restoreForwarding(table, before);
  }
  deleteNetns(netnsPath);
}

/** The alias of the host's end: clusters in other folders may have the same name. */
const ownerOf = (netnsPath: string): string => netnsPath.slice(-ALIAS_LENGTH_MAX);

/** Whether a link is this cluster's; those of earlier releases name no owner. */
function isOwn(link: Link | undefined, netnsPath: string): boolean {
  return link === undefined || link.alias === "" || link.alias === ownerOf(netnsPath);
}

/** Whether the host has this cluster's link. */
function isLinked({ hostDevice, netnsPath }: Egress): boolean {
  using route = openRoute();
  const link = findLink(route, hostDevice);
  return link !== undefined && isOwn(link, netnsPath);
}

/** Throws `HOST_LINK_TAKEN` if the link or the host's address on it is another cluster's. */
function requireOwn({ netnsPath, hostDevice, hostAddress, nodeRange }: Underlay): void {
  using route = openRoute();
  const link = findLink(route, hostDevice);
  if (link && !isOwn(link, netnsPath)) {
    const what = `the host's link ${hostDevice} is that of a cluster in ${link.alias}`;
    const remedy = "choose another --name, or use that cluster's R2K_DATA and R2K_RUN";
    throw new CodedError("HOST_LINK_TAKEN", what, { remedy });
  }
  const cidr = `${hostAddress}/${prefixOf(nodeRange)}`;
  const taken = listAddresses(route).find((address) => {
    return address.cidr === cidr && address.link !== link?.index;
  });
  if (!taken) return;
  const { name = "?" } = listLinks(route).find(({ index }) => index === taken.link) ?? {};
  const what = `the host's address ${hostAddress} is that of its link ${name} already`;
  const remedy = "take its cluster down; a new one gets other addresses when it is started again";
  throw new CodedError("HOST_ADDRESS_TAKEN", what, { remedy });
}

/** Pins a namespace at `path`, also where an interrupted start left a file without one. */
export function ensureNetns(path: string): void {
  if (isNetns(path)) return;
  deleteNetns(path);
  createNetns(path);
}

/** A link to the bridge: a port there, and a device elsewhere. */
export interface Port {
  /** The file that pins the bridge's namespace. */
  netnsPath: string;
  port: string;
  device: string;
  /** The device's namespace; the caller's when left out. */
  peerNetns?: string;
  /** The device's address, of which its hardware address is made. */
  address: string;
}

/** Connects a new device to the bridge. A port that has lost its other end is replaced. */
export function connectPort({ netnsPath, port, device, peerNetns, address }: Port): void {
  // An address never moves to another hardware address, which neighbours would learn too late.
  const mac = macOf(address);
  if (!hasLink(device, peerNetns) || !hasLink(port, netnsPath)) {
    removePort(netnsPath, port);
    if (peerNetns === undefined) {
      using route = openRoute();
      deleteLink(route, device);
      createVeth(route, { name: device, mac }, { name: port, netns: netnsPath });
    } else {
      inNetns(netnsPath, () => {
        using route = openRoute();
        createVeth(route, { name: port }, { name: device, netns: peerNetns, mac });
      });
    }
  }
  inNetns(netnsPath, () => {
    using route = openRoute();
    const { index } = getLink(route, port);
    disableRouteLearning(port);
    setLink(route, { index }, { master: getLink(route, BRIDGE).index });
    setLink(route, { index }, { up: true });
  });
}

/** A hardware address that is administered locally, as CNI plugins make them. */
export function macOf(address: string): string {
  const bytes = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return `0a:58:${bytes.join(":")}`;
}

/** Whether the namespace has the link; the caller's when `netnsPath` is left out. */
function hasLink(name: string, netnsPath?: string): boolean {
  const look = () => {
    using route = openRoute();
    return findLink(route, name) !== undefined;
  };
  return netnsPath === undefined ? look() : inNetns(netnsPath, look);
}

/** Removes a port and the link at its other end; nothing happens when there is none. */
export function removePort(netnsPath: string, port: string): void {
  if (!isNetns(netnsPath)) return;
  inNetns(netnsPath, () => {
    using route = openRoute();
    deleteLink(route, port);
  });
}

function prepareBridge(): void {
  using route = openRoute();
  setLink(route, getLink(route, "lo"), { up: true });
  if (!findLink(route, BRIDGE)) createBridge(route, { name: BRIDGE });
  disableRouteLearning(BRIDGE);
  setLink(route, getLink(route, BRIDGE), { up: true });
  // The nodes' own namespaces filter and translate; here a frame is only passed on.
  // Without br_netfilter none is shown to rules.
  tolerateSync(() => writeSysctl("net.bridge.bridge-nf-call-iptables", 0), errno("ENOENT"));
}

function linkHost(underlay: Underlay): void {
  const { netnsPath, hostDevice, hostAddress, nodeRange, gateway } = underlay;
  connectPort({ netnsPath, port: HOST_PORT, device: hostDevice, address: hostAddress });
  using route = openRoute();
  // Down in a new namespace; the API listens on it.
  setLink(route, getLink(route, "lo"), { up: true });
  const { index } = getLink(route, hostDevice);
  disableRouteLearning(hostDevice); // pods could send advertisements
  setLink(route, { index }, { up: true, alias: ownerOf(netnsPath) });
  addAddress(route, index, `${hostAddress}/${prefixOf(nodeRange)}`);
  for (const to of [underlay.podCidr, underlay.serviceCidr]) {
    replaceRoute(route, { to, via: gateway, link: index, source: hostAddress });
  }
}

export const prefixOf = (range: string): string => range.slice(range.indexOf("/") + 1);

/** Returns the statements that add the host's rules, and the chain that saves a setting. */
function egressRules({ name, hostDevice, nodeRange, podCidr }: Egress, saving: string): string[] {
  const table = tableOf(name);
  return [
    `add chain ip ${table} ${saving}`,
    `add chain ip ${table} egress { type nat hook postrouting priority srcnat; }`,
    ...[
      ...masquerades(MASQUERADE_PORTS.ofPods).map((statement) => [podCidr, statement]),
      // Among them the queries of the nodes' DNS.
      ...masquerades(MASQUERADE_PORTS.ofNodes).map((statement) => [nodeRange, statement]),
    ].map(
      ([from, statement]) =>
        `add rule ip ${table} egress ip saddr ${from} oifname != "${hostDevice}" ${statement}`,
    ),
  ];
}
