import { isErrno } from "@raft2kube/std/errors.ts";
import { applyRuleset } from "@raft2kube/linux/nft.ts";
import { formatSubnet, subnetOf } from "../../lib/ip.ts";
import {
  addElement, deleteElement, deleteElements, listElements, type NftElement,
} from "../../lib/nft-elements.ts";
import { isStale, networkMark, ownerComment } from "../../lib/owner.ts";
import type { PluginCall } from "../../lib/skel.ts";
import type { ResultIp, ValidAttachment } from "../../lib/types.ts";
import { familyOf } from "./config.ts";

/**
 * What leaves its network gets the host's address. One table for all networks: a map from the
 * source address to the chain of its network; so a container is one element, added and deleted by
 * its address.
 */
export const TABLE = "r2k-cni-masquerade";

function elementOf(call: PluginCall, ip: ResultIp): NftElement {
  const family = familyOf(ip.address);
  return {
    set: `sources${family}`,
    key: ip.address.split("/")[0] ?? "",
    value: `goto ${chainOf(call, ip)}`,
    comment: ownerComment(call.network, call.containerId, call.ifName),
  };
}

/** One chain per network and subnet, as the subnet decides what stays as it is. */
function chainOf(call: PluginCall, ip: ResultIp): string {
  return `net-${networkMark(`${call.network} ${formatSubnet(subnetOf(ip.address))}`)}`;
}

/**
 * The transaction that lets the container's addresses be masqueraded: whole, and the same each
 * time.
 */
function masqueradeRules(call: PluginCall, ips: readonly ResultIp[]): string {
  const lines = [
    `add table inet ${TABLE}`,
    `add map inet ${TABLE} sources4 { type ipv4_addr : verdict; }`,
    `add map inet ${TABLE} sources6 { type ipv6_addr : verdict; }`,
    `add chain inet ${TABLE} postrouting { type nat hook postrouting priority srcnat; }`,
    `flush chain inet ${TABLE} postrouting`,
    `add rule inet ${TABLE} postrouting ip saddr vmap @sources4`,
    `add rule inet ${TABLE} postrouting ip6 saddr vmap @sources6`,
  ];
  for (const ip of ips) {
    const chain = chainOf(call, ip);
    const [family, multicast] =
      familyOf(ip.address) === 4 ? ["ip", "224.0.0.0/4"] : ["ip6", "ff00::/8"];
    const stays = `{ ${formatSubnet(subnetOf(ip.address))}, ${multicast} }`;
    lines.push(
      `add chain inet ${TABLE} ${chain}`,
      `flush chain inet ${TABLE} ${chain}`,
      `add rule inet ${TABLE} ${chain} ${family} daddr ${stays} return`,
      `add rule inet ${TABLE} ${chain} masquerade`,
      addElement(TABLE, elementOf(call, ip)),
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Lets the container's addresses be masqueraded, in the namespace this thread is in. */
export async function masquerade(call: PluginCall, ips: readonly ResultIp[]): Promise<void> {
  const rules = masqueradeRules(call, ips);
  try {
    await applyRuleset(rules);
  } catch (thrown) {
    // The address still stands there for another network whose DEL never came.
    const left = (await listElements(TABLE)).filter(({ set, key }) =>
      ips.some((ip) => elementOf(call, ip).set === set && elementOf(call, ip).key === key),
    );
    if (left.length === 0) throw thrown;
    const deletions = left.map((element) => `${deleteElement(TABLE, element)}\n`).join("");
    await applyRuleset(deletions + rules);
  }
}

/** Takes the container's addresses out again. */
export async function unmasquerade(call: PluginCall): Promise<void> {
  const mine = ownerComment(call.network, call.containerId, call.ifName);
  try {
    await deleteElements(TABLE, (comment) => comment === mine);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown; // a GC deleted them at the same time
  }
}

/** Takes out what belongs to no valid attachment of this network. */
export async function collectMasquerade(call: PluginCall, valid: ValidAttachment[]) {
  await deleteElements(TABLE, (comment) => isStale(comment, call.network, valid));
}

/** Which of the container's addresses are not masqueraded although they should be. */
export async function missingMasquerade(call: PluginCall, ips: readonly ResultIp[]) {
  const present = await listElements(TABLE);
  return ips.filter((ip) => {
    const { set, key } = elementOf(call, ip);
    return !present.some((element) => element.set === set && element.key === key);
  });
}
