import { applyRuleset, type NftOptions } from "@raft2kube/linux/netfilter/nft.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { CniError } from "../../lib/errors.ts";
import { IngressChains } from "../../lib/ingress-chains.ts";
import { familyOf, formatIp, parseIp } from "../../lib/ip.ts";
import type { PluginCall } from "../../lib/skel.ts";
import type { ResultIp } from "../../lib/types.ts";

export const SPOOF_TABLE = "r2k-cni-spoof";

/**
 * One chain per container, at the ingress of the host end: it accepts only frames with the
 * container's own addresses, before the bridge learns from them and before ARP, neighbour discovery
 * and IP rules. It is the first chain there; only traffic control (tc) sees a frame before it, and
 * a frame that is redirected by tc never comes to it.
 */
export const spoofChecks = new IngressChains({
  table: SPOOF_TABLE,
  priority: -500,
  policy: "drop",
});

/** The addresses that a container may send from. */
export interface Identity {
  mac: string;
  /** Allowed addresses; undefined for any, without IPAM or with `macspoofchk` only. */
  ips: readonly ResultIp[] | undefined;
}

/** Returns the link-local address of a hardware address (RFC 4291, appendix A). */
function linkLocalOf(mac: string): string {
  const [first = 0, ...rest] = mac.split(":").map((byte) => parseInt(byte, 16));
  const bytes = [first ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)];
  const text = Buffer.from(bytes).toString("hex");
  return `fe80::${text.replace(/.{4}(?!$)/g, "$&:")}`;
}

/**
 * The type of a frame as it came. The kernel takes the tag of a VLAN off before it reads addresses;
 * br_netfilter shows no tagged frame to NetworkPolicies, and a container reads one of VLAN 0 as if
 * it had no tag (IEEE 802.1Q, priority-tagged).
 */
const ETHER_TYPE = "@ll,96,16";
/** The types of IPv4, ARP and IPv6. */
const UNTAGGED = ["0x0800", "0x0806", "0x86dd"];

const setOf = (items: readonly string[]) => `{ ${items.join(", ")} }`;

/** Returns an address as a number, to compare with raw payload. */
const raw = (address: string) => `0x${parseIp(address, "address").value.toString(16)}`;

/** The target address of a neighbour solicitation or advertisement (RFC 4861). */
const ND_TARGET = "@th,64,128";

/**
 * ICMP errors, and to whom the packet was sent that one quotes: the container, or the error is
 * forged. By such a one the node takes a smaller MTU for any address, or ends a query.
 */
const ERRORS = ["destination-unreachable", "time-exceeded", "parameter-problem"];
const QUOTED_TO = { 4: "@th,192,32", 6: "@th,256,128" };

/** Drops ICMP errors about a packet to an address that meets `test`, an expression of nft. */
export function forgedErrors(test: string): string[] {
  const errors = `icmp type ${setOf([...ERRORS, "redirect"])}`;
  // The first fragment shows the type alone.
  return [`${errors} ${QUOTED_TO[4]} ${test} drop`, `${errors} ip frag-off & 0x3fff != 0 drop`];
}

function rulesFor({ mac, ips }: Identity): string[] {
  const own = [`ether saddr != ${mac} drop`];
  if (ips === undefined) return [...own, "accept"];
  own.push(`${ETHER_TYPE} != ${setOf(UNTAGGED)} drop`);
  const addresses = ips.map(({ address }) => formatIp(parseIp(address.split("/")[0], "address")));
  const four = addresses.filter((address) => familyOf(address) === 4);
  const six = addresses.filter((address) => familyOf(address) === 6);
  if (four.length > 0) {
    // An ARP probe has no sender address (RFC 5227).
    own.push(
      ...forgedErrors(`!= ${setOf(four.map(raw))}`),
      `ip saddr ${setOf(four)} accept`,
      `arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp saddr ether ${mac} ` +
        `arp saddr ip ${setOf(["0.0.0.0", ...four])} accept`,
    );
  }
  if (six.length > 0) {
    const all = [linkLocalOf(mac), ...six];
    const targets = setOf(all.map(raw));
    const errors = `icmpv6 type ${setOf([...ERRORS, "packet-too-big"])}`;
    own.push(
      "icmpv6 type { nd-router-advert, nd-redirect } drop",
      `icmpv6 type nd-neighbor-advert ${ND_TARGET} != ${targets} drop`,
      `${errors} ${QUOTED_TO[6]} != ${targets} drop`,
      `${errors} exthdr frag exists drop`,
      `ip6 saddr ${setOf(all)} accept`,
      // Duplicate address detection of own addresses, and multicast listener reports.
      `ip6 saddr :: icmpv6 type nd-neighbor-solicit ${ND_TARGET} ${targets} accept`,
      "ip6 saddr :: icmpv6 type { mld-listener-report, mld2-listener-report } accept",
    );
  }
  return own;
}

/** Accepts only frames of this identity at `hostEnd`. Call before the container end is up. */
export async function addSpoofCheck(
  call: PluginCall,
  hostEnd: string,
  identity: Identity,
): Promise<void> {
  try {
    await spoofChecks.add(call, hostEnd, rulesFor(identity));
  } catch (thrown) {
    const what = `bridge: the spoof check at ${hostEnd} cannot be added`;
    const remedy =
      "a kernel with nf_tables and CONFIG_NETFILTER_INGRESS, or neither ipspoofchk nor macspoofchk";
    const details = `${messageOf(thrown)}; ${remedy}`;
    throw new CniError("kernel-refused", what, { details, cause: thrown, remedy });
  }
}

/** Checks that the kernel supports it; throws NftError. */
export async function probeSpoofCheck(options: NftOptions = {}): Promise<void> {
  const table = `netdev ${SPOOF_TABLE}-trial`;
  await applyRuleset(
    `add table ${table}\n` +
      `add chain ${table} c { type filter hook ingress device "lo" priority -500; }\n` +
      `add rule ${table} c ether saddr != 02:00:00:00:00:01 drop\n` +
      `delete table ${table}\n`,
    options,
  );
}
