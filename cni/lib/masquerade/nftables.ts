import { applyRuleset, masquerades } from "@raft2kube/linux/netfilter/nft.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import { familyOf, formatSubnet, subnetOf } from "../ip.ts";
import {
  addElement,
  deleteElement,
  deleteElements,
  listElements,
  type NftElement,
} from "../nft-elements.ts";
import { networkMark, ownerComment } from "../owner.ts";
import type { PluginCall } from "../skel.ts";
import type { ResultIp } from "../types.ts";
import type { MasqueradeBackend } from "./backend.ts";

/**
 * Traffic that leaves its network is masqueraded. One table for all networks has a map from source
 * address to the network's chain; each container is one element per address.
 */
const TABLE = "r2k-cni-masquerade";

function elementOf(call: PluginCall, ip: ResultIp): NftElement {
  const family = familyOf(ip.address);
  return {
    set: `sources${family}`,
    key: ip.address.split("/")[0] ?? "",
    value: `goto ${chainOf(call, ip)}`,
    comment: ownerComment(call.network, call.containerId, call.ifName),
  };
}

/** One chain per network and subnet: traffic within the subnet is not masqueraded. */
function chainOf(call: PluginCall, ip: ResultIp): string {
  return `net-${networkMark(`${call.network} ${formatSubnet(subnetOf(ip.address))}`)}`;
}

/** Returns the idempotent transaction that masquerades the container's addresses. */
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
      ...masquerades().map((statement) => `add rule inet ${TABLE} ${chain} ${statement}`),
      addElement(TABLE, elementOf(call, ip)),
    );
  }
  return `${lines.join("\n")}\n`;
}

/** One table of nftables; each container is one element per address. */
export const nftablesMasquerade: MasqueradeBackend = {
  async add(call, ips) {
    const rules = masqueradeRules(call, ips);
    try {
      await applyRuleset(rules);
    } catch (thrown) {
      // The address has an element of an attachment that was never deleted.
      const left = (await listElements(TABLE)).filter(({ set, key }) =>
        ips.some((ip) => elementOf(call, ip).set === set && elementOf(call, ip).key === key),
      );
      if (left.length === 0) throw thrown;
      const deletions = left.map((element) => `${deleteElement(TABLE, element)}\n`).join("");
      await applyRuleset(deletions + rules);
    }
  },

  async delete(stale) {
    // A GC deleted them at the same time.
    await tolerate(deleteElements(TABLE, stale), errno("ENOENT"));
  },

  async missing(call, ips) {
    const present = await listElements(TABLE);
    return ips.find((ip) => {
      const { set, key } = elementOf(call, ip);
      return !present.some((element) => element.set === set && element.key === key);
    });
  },
};
