import { inNetns, isNetns } from "@raft2kube/linux/namespace/netns.ts";
import { applyRuleset, nftTableExists } from "@raft2kube/linux/netfilter/nft.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { lastOf, parseIp, subnetOf } from "../lib/ip.ts";
import { FOREIGN_ARP_BURST, FOREIGN_ARP_PER_SECOND } from "../limits.ts";
import { forgedErrors, probeSpoofCheck } from "../plugins/bridge/spoof-check.ts";
import { macOf } from "./underlay.ts";

/** A node's port of the underlay's bridge, and the identity that may send by it. */
export interface GuardedPort {
  /** The file that pins the bridge's namespace. */
  underlayNetns: string;
  port: string;
  mac: string;
  nodeAddress: string;
  /** The addresses of the host and of all nodes, in CIDR notation. */
  nodeRange: string;
}

const TABLE = "r2k-ports";
/** The chain of all ports that looks at the sources of pods, and has no rule at first. */
const PODS = "pods";

/** A name may start with a digit, which nft's identifiers may not. */
const chainOf = (port: string) => `at-${port}`;

function removal(port: string): string {
  const chain = `netdev ${TABLE} ${chainOf(port)}`;
  return `add chain ${chain}\ndelete chain ${chain}\n`;
}

/** The addresses of the underlay but the node's own, as numbers, for raw payload. */
function addressesOfOthers({ nodeAddress, nodeRange }: GuardedPort): string {
  const { value: own } = parseIp(nodeAddress, "address");
  const range = subnetOf(nodeRange);
  return `{ ${range.network}-${own - 1n}, ${own + 1n}-${lastOf(range)} }`;
}

/**
 * Accepts, of a node, only frames with its hardware address, and of the underlay's addresses only
 * its own, in ARP and as a source: by another's a node would get the packets of other nodes and
 * of the host, which has the API. An ICMP error about what was sent to another's is forged: its
 * receiver would take a smaller MTU for that address. IPv6, of which no node has an address here,
 * is dropped: by any of 2^64 sources it fills the host's tables of connections and neighbours.
 * The chain sees a frame before the bridge learns from it. A kernel without netfilter's ingress
 * hook has no such check, of which preflight and the node's log warn. Throws NftError.
 */
export async function guardPort(guarded: GuardedPort): Promise<void> {
  const { underlayNetns: netns, port, mac, nodeAddress, nodeRange } = guarded;
  const arp = `arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp saddr ether ${mac} arp saddr ip`;
  const rules = [
    `ether saddr != ${mac} drop`,
    // Of a Service or a pod of its own, whose packets it answers. Each sender becomes an entry of
    // the receiver, of which the machine has one table for all.
    `arp operation request arp saddr ip != ${nodeRange} arp daddr ip ${nodeRange} ` +
      `limit rate over ${FOREIGN_ARP_PER_SECOND}/second burst ${FOREIGN_ARP_BURST} packets drop`,
    `${arp} != ${nodeRange} accept`,
    `${arp} ${nodeAddress} accept`,
    ...forgedErrors(addressesOfOthers(guarded)),
    `jump ${PODS}`,
    `ip saddr != ${nodeRange} accept`,
    `ip saddr ${nodeAddress} accept`,
  ];
  const chain = chainOf(port);
  const hook = `type filter hook ingress device "${port}" priority -500; policy drop;`;
  if (!(await canCheck(netns))) return;
  await applyRuleset(
    `add table netdev ${TABLE}\nadd chain netdev ${TABLE} ${PODS}\n${removal(port)}` +
      `add chain netdev ${TABLE} ${chain} { ${hook} }\n` +
      rules.map((rule) => `add rule netdev ${TABLE} ${chain} ${rule}\n`).join(""),
    { netns },
  );
}

/**
 * Drops, at the ports of all nodes, what has the source of a pod of another: `ranges` are those of
 * the nodes' pods, within `podCidr`, each with its node's address. NetworkPolicies would take it
 * for that pod's. Nothing is dropped while no range is known. Throws NftError.
 */
export async function guardPodSources(
  netns: string,
  podCidr: string,
  ranges: ReadonlyMap<string, string>,
): Promise<void> {
  if (!(await canCheck(netns))) return;
  const own = [...ranges].map(([range, address]) => `${macOf(address)} . ${range}`).join(", ");
  const chain = `chain netdev ${TABLE} ${PODS}\n`;
  const rule = `ip saddr ${podCidr} ether saddr . ip saddr != { ${own} } drop`;
  await applyRuleset(
    `add table netdev ${TABLE}\nadd ${chain}flush ${chain}` +
      (own === "" ? "" : `add rule netdev ${TABLE} ${PODS} ${rule}\n`),
    { netns },
  );
}

/** Removes the chain of a port that is gone, which the kernel keeps; ignores a missing one. */
export async function unguardPort(netns: string, port: string): Promise<void> {
  if (!isNetns(netns) || !inNetns(netns, () => nftTableExists("netdev", TABLE))) return;
  await applyRuleset(removal(port), { netns });
}

async function canCheck(netns: string): Promise<boolean> {
  try {
    await probeSpoofCheck({ netns });
    return true;
  } catch (thrown) {
    if (!isErrno(thrown, "nft-refused", "ENOENT")) throw thrown;
    return false;
  }
}
