import { applyRuleset, deleteTable, masquerades, nftTableExists } from "@raft2kube/linux/nft.ts";
import { formatSubnet, type Subnet } from "../lib/ip.ts";
import type { OverlayNetwork } from "./network.ts";

const TABLE = "r2k-overlay";
const options = (netns: string | undefined) => (netns === undefined ? {} : { netns });

/**
 * Masquerades what pods send to addresses outside the network, as flanneld with --ip-masq: pods of
 * other nodes see a pod's own address, all others that of its node.
 */
function rules(range: Subnet): string {
  const network = formatSubnet(range);
  const rule = `add rule ip ${TABLE} postrouting`;
  return [
    `add table ip ${TABLE}`,
    `delete table ip ${TABLE}`,
    `add table ip ${TABLE}`,
    `add chain ip ${TABLE} postrouting { type nat hook postrouting priority srcnat; }`,
    `${rule} ip saddr ${network} ip daddr ${network} return`,
    ...masquerades().map((statement) =>
      `${rule} ip saddr ${network} ip daddr != 224.0.0.0/4 ${statement}`),
    "",
  ].join("\n");
}

/** Adds the rules unless their table is there. Returns whether they were missing. */
export async function ensureMasquerade(
  network: OverlayNetwork,
  range: Subnet,
): Promise<boolean> {
  if (network.inside(() => nftTableExists("ip", TABLE))) return false;
  await applyRuleset(rules(range), options(network.netns));
  return true;
}

/** Deletes the rules; nothing happens when there are none. */
export async function removeMasquerade(network: OverlayNetwork): Promise<void> {
  if (!network.inside(() => nftTableExists("ip", TABLE))) return;
  await deleteTable("ip", TABLE, options(network.netns));
}
