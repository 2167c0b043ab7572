import { formatSubnet, type Subnet } from "@raft2kube/cni/lib/ip.ts";
import { OwnTable } from "@raft2kube/cni/lib/own-table.ts";
import { masquerades } from "@raft2kube/linux/netfilter/nft.ts";

const TABLE = "r2k-overlay";

/** The rules' table; it stays when an overlay ends. */
export const masqueradeTable = (): OwnTable => new OwnTable(TABLE);

/**
 * Masquerades what pods send to addresses outside the network, as flanneld with --ip-masq: pods of
 * other nodes see a pod's own address, all others that of its node.
 */
export function masqueradeRules(range: Subnet): string[] {
  const network = formatSubnet(range);
  const rule = `add rule ip ${TABLE} postrouting`;
  return [
    `add chain ip ${TABLE} postrouting { type nat hook postrouting priority srcnat; }`,
    `${rule} ip saddr ${network} ip daddr ${network} return`,
    ...masquerades().map(
      (statement) => `${rule} ip saddr ${network} ip daddr != 224.0.0.0/4 ${statement}`,
    ),
  ];
}
