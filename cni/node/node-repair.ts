import { listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { findLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { CodedError, isErrno } from "@raft2kube/std/errors.ts";
import { ensureChains, type OwnChains } from "../lib/own-chains.ts";
import { HERE, OwnTable, type TablePlace } from "../lib/own-table.ts";
import { disableRouteLearning } from "../lib/route-learning.ts";
import { FRAGMENT_BYTES_MAX, FRAGMENT_S_MAX } from "../limits.ts";
import {
  boundConnectionsByIptables,
  boundQueriesByIptables,
  connectionBounds,
  queryBounds,
} from "./connection-bound.ts";
import { macOf, prefixOf } from "./underlay.ts";

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
  /** The address of the Service by which pods ask the node's DNS. */
  dnsAddress: string;
}

export const NODE_DEVICE = "eth0";

const TABLE = "r2k-node";

/**
 * Returns what puts a node's rules and kernel settings back if another program took them away;
 * resolves with whether it did, the first time too. Nothing is done in a namespace without the
 * node's link.
 */
export function nodeRepair(node: NodeNetwork, place: TablePlace = HERE): () => Promise<boolean> {
  const table = new OwnTable(TABLE);
  const rules = refusals(node);
  const boundConnections = connectionBounds(place, senders(node));
  const boundQueries = queryBounds(place, node);
  return async () => {
    if (!place.inside(() => isLinked(node))) return false;
    const settings = place.inside(() => ensureSettings());
    const refuses = await table.ensure(place, rules);
    const bounds = [await boundConnections(), await boundQueries()];
    return settings || refuses || bounds.includes(true);
  };
}

/** The same in a guest, whose kernel has no nftables. */
export function guestRepair(node: NodeNetwork): () => Promise<boolean> {
  return async () => {
    if (!isLinked(node)) return false;
    const settings = ensureSettings();
    const refuses = await ensureChains(refusingChains(node));
    const bounds = [
      await boundConnectionsByIptables(senders(node)),
      await boundQueriesByIptables(node),
    ];
    return settings || refuses || bounds.includes(true);
  };
}

const senders = ({ podCidr, hostAddress }: NodeNetwork) => ({
  podCidr,
  hostMac: macOf(hostAddress),
});

/** Whether this thread's namespace has the node's link. */
function isLinked({ nodeAddress, nodeRange }: NodeNetwork): boolean {
  using route = openRoute();
  const link = findLink(route, NODE_DEVICE);
  const cidr = `${nodeAddress}/${prefixOf(nodeRange)}`;
  // Not of all links: IPVS has one with the address of each Service.
  return link !== undefined && listAddresses(route, link.index).some((one) => one.cidr === cidr);
}

/** Sets this thread's namespace, which has the node's link; returns whether a setting differed. */
function ensureSettings(): boolean {
  const [forwards, waits, holds] = [
    writeSysctl("net.ipv4.ip_forward", 1),
    writeSysctl("net.ipv4.ipfrag_time", FRAGMENT_S_MAX),
    writeSysctl("net.ipv4.ipfrag_high_thresh", FRAGMENT_BYTES_MAX),
  ];
  const learned = disableRouteLearning(NODE_DEVICE);
  // Pods of one bridge reply to each other directly. With br_netfilter a reply passes conntrack,
  // which translates its source back to the Service's address.
  try {
    const bridged = writeSysctl("net.bridge.bridge-nf-call-iptables", 1);
    return bridged || forwards || waits || holds || learned;
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
    const what = "the kernel does not show bridged packets to netfilter (net.bridge is missing)";
    const remedy = "modprobe br_netfilter";
    throw new CodedError("no-br-netfilter", what, { remedy, cause: thrown });
  }
}

/**
 * Returns the rules that reject addresses of no Service: the host routes the whole range to the
 * node, and the default route leads back to the host, which would loop.
 */
function refusals({ serviceCidr }: NodeNetwork): string[] {
  return ["forward", "output"].flatMap((chain) => [
    `add chain ip ${TABLE} ${chain} { type filter hook ${chain} priority filter + 10; }`,
    `add rule ip ${TABLE} ${chain} ip daddr ${serviceCidr} meta l4proto tcp reject with tcp reset`,
    `add rule ip ${TABLE} ${chain} ip daddr ${serviceCidr} reject`,
  ]);
}

/** The same in a chain of iptables. */
function refusingChains({ serviceCidr }: NodeNetwork): OwnChains {
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
