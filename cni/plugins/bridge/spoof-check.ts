import { createHash } from "node:crypto";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { applyRuleset, listRuleset, nftTableExists } from "@raft2kube/linux/nft.ts";
import { CniError } from "../../lib/errors.ts";
import { familyOf, formatIp, parseIp } from "../../lib/ip.ts";
import { networkMark } from "../../lib/owner.ts";
import type { PluginCall } from "../../lib/skel.ts";
import type { ResultIp, ValidAttachment } from "../../lib/types.ts";

/**
 * The table with one chain per container, at the ingress of the host end: it accepts only frames
 * with the container's own addresses, before the bridge learns from them and before ARP, neighbour
 * discovery and IP rules.
 */
export const TABLE = "r2k-cni-spoof";

/** The addresses that a container may send from. */
export interface Identity {
  mac: string;
  /** Undefined: any IP address, without IPAM or with `macspoofchk` only. */
  ips: readonly ResultIp[] | undefined;
}

type Attachment = Pick<PluginCall, "network" | "containerId" | "ifName">;

const marked = (network: string) => `at-${networkMark(network)}-`;

/** Returns a chain's name: the network's identifier, by which GC finds it, and a digest. */
function chainOf({ network, containerId, ifName }: Attachment): string {
  const attachment = createHash("sha256").update(`${containerId} ${ifName}`).digest("hex");
  return `${marked(network)}${attachment.slice(0, 16)}`;
}

/** Deletes a chain if it exists: the kernel keeps it when the link is deleted. */
const removal = (chain: string) =>
  `add chain netdev ${TABLE} ${chain}\ndelete chain netdev ${TABLE} ${chain}\n`;

/** Returns the link-local address of a hardware address (RFC 4291, appendix A). */
function linkLocalOf(mac: string): string {
  const [first = 0, ...rest] = mac.split(":").map((byte) => parseInt(byte, 16));
  const bytes = [first ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)];
  const text = Buffer.from(bytes).toString("hex");
  return `fe80::${text.replace(/.{4}(?!$)/g, "$&:")}`;
}

const setOf = (items: readonly string[]) => `{ ${items.join(", ")} }`;

/** Returns an IPv6 address as a number, to compare with raw payload. */
const raw = (address: string) => `0x${parseIp(address, "address").value.toString(16)}`;

/** The target address of a neighbour solicitation or advertisement (RFC 4861). */
const ND_TARGET = "@th,64,128";

function rulesFor({ mac, ips }: Identity): string[] {
  const own = [`ether saddr != ${mac} drop`];
  if (ips === undefined) return [...own, "accept"];
  const addresses = ips.map(({ address }) => formatIp(parseIp(address.split("/")[0], "address")));
  const four = addresses.filter((address) => familyOf(address) === 4);
  const six = addresses.filter((address) => familyOf(address) === 6);
  if (four.length > 0) {
    // An ARP probe has no sender address (RFC 5227).
    own.push(
      `ip saddr ${setOf(four)} accept`,
      `arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp saddr ether ${mac} ` +
        `arp saddr ip ${setOf(["0.0.0.0", ...four])} accept`,
    );
  }
  if (six.length > 0) {
    const all = [linkLocalOf(mac), ...six];
    const targets = setOf(all.map(raw));
    own.push(
      "icmpv6 type { nd-router-advert, nd-redirect } drop",
      `icmpv6 type nd-neighbor-advert ${ND_TARGET} != ${targets} drop`,
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
  const chain = chainOf(call);
  const hook = `type filter hook ingress device "${hostEnd}" priority -500; policy drop;`;
  const rules = rulesFor(identity).map((rule) => `add rule netdev ${TABLE} ${chain} ${rule}\n`);
  try {
    await applyRuleset(
      `add table netdev ${TABLE}\n${removal(chain)}` +
        `add chain netdev ${TABLE} ${chain} { ${hook} }\n${rules.join("")}`,
    );
  } catch (thrown) {
    const what = `bridge: the spoof check at ${hostEnd} cannot be added`;
    const remedy =
      "a kernel with nf_tables and CONFIG_NETFILTER_INGRESS, or neither ipspoofchk nor macspoofchk";
    const details = `${messageOf(thrown)}; ${remedy}`;
    throw new CniError("kernel-refused", what, { details, cause: thrown, remedy });
  }
}

/** Checks, in the namespace of this thread, that the kernel supports it; throws NftError. */
export async function probeSpoofCheck(): Promise<void> {
  const table = `netdev ${TABLE}-trial`;
  await applyRuleset(
    `add table ${table}\n` +
      `add chain ${table} c { type filter hook ingress device "lo" priority -500; }\n` +
      `add rule ${table} c ether saddr != 02:00:00:00:00:01 drop\n` +
      `delete table ${table}\n`,
  );
}

export async function deleteSpoofCheck(call: PluginCall): Promise<void> {
  if (!nftTableExists("netdev", TABLE)) return;
  await applyRuleset(removal(chainOf(call)));
}

/** Deletes the chains of this network whose attachment is not valid. */
export async function deleteStaleSpoofChecks(
  call: PluginCall,
  valid: ValidAttachment[],
): Promise<void> {
  const { network } = call;
  const kept = new Set(
    valid.map((at) => chainOf({ network, containerId: at.containerID, ifName: at.ifname })),
  );
  const stale = (await chains()).filter(
    (name) => name.startsWith(marked(network)) && !kept.has(name),
  );
  if (stale.length > 0) await applyRuleset(stale.map(removal).join(""));
}

export async function hasSpoofCheck(call: PluginCall): Promise<boolean> {
  return (await chains()).includes(chainOf(call));
}

async function chains(): Promise<string[]> {
  if (!nftTableExists("netdev", TABLE)) return [];
  try {
    const objects = await listRuleset(["table", "netdev", TABLE]);
    return objects.flatMap(({ chain }) => (chain ? [String(chain.name)] : []));
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return []; // deleted concurrently
    throw thrown;
  }
}
