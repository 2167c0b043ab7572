import { formatSubnet, type Subnet } from "@raft2kube/cni/lib/ip.ts";
import { ensureChains } from "@raft2kube/cni/lib/own-chains.ts";
import { OwnTable } from "@raft2kube/cni/lib/own-table.ts";
import type { OverlayNetwork } from "./apply.ts";
import { type Guarded, guardChains } from "./guard-chains.ts";
import type { Encapsulation } from "./plan.ts";

const TABLE = "r2k-overlay-guard";

/** Offsets from the UDP header to the inner frame's type and IPv4 source (RFC 7348), in bits. */
const [INNER_TYPE, INNER_SOURCE] = ["@th,224,16", "@th,336,32"];

/** Matches a source in a range, as nft compares raw payload. */
function within({ network, prefix }: Subnet, is: "==" | "!="): string {
  const mask = 2n ** 32n - 2n ** BigInt(32 - prefix);
  return `${INNER_SOURCE} & ${mask} ${is} ${network}`;
}

/** Drops what a node sends with the source of another's pod, or in a form that hides the source. */
const sourceRules = ({ range, sources = [] }: Guarded): { chains: string[]; jumps: string } => ({
  chains: sources.flatMap(({ node, range: own }) => [
    `add chain ip ${TABLE} from-${node}`,
    `add rule ip ${TABLE} from-${node} ${INNER_TYPE} != 0x0800 drop`,
    `add rule ip ${TABLE} from-${node} ${within(range, "==")} ${within(own, "!=")} drop`,
  ]),
  jumps: sources.map(({ node }) => `${node} : jump from-${node}`).join(", "),
});

/**
 * Admits encapsulated packets from the other nodes alone, and of each the sources of its own range
 * or of none of the overlay's: their content enters the network with any that it names. A node
 * forwards none to the others, whose content a pod has made: it would be masqueraded as the node's
 * own, or led there by a Service. IPVS sends such ones itself, still with the client's address.
 */
export function guardRules({ port, nodes }: Encapsulation, guarded: Guarded): string[] {
  const { range, local, podless } = guarded;
  const { chains, jumps } = sourceRules(guarded);
  const rule = `add rule ip ${TABLE}`;
  const elements = [...new Set(nodes)].sort().join(", ");
  return [
    `add set ip ${TABLE} nodes { type ipv4_addr; }`,
    ...(elements === "" ? [] : [`add element ip ${TABLE} nodes { ${elements} }`]),
    `add chain ip ${TABLE} input { type filter hook input priority filter; }`,
    `${rule} input udp dport ${port} ip saddr != @nodes drop`,
    ...(podless === undefined
      ? []
      : [
          `add chain ip ${TABLE} prerouting { type filter hook prerouting priority filter; }`,
          `${rule} prerouting iifname "${podless}" ip saddr ${formatSubnet(range)} drop`,
        ]),
    ...chains,
    ...(jumps === "" ? [] : [`${rule} input udp dport ${port} ip saddr vmap { ${jumps} }`]),
    `add chain ip ${TABLE} to-nodes`,
    `${rule} to-nodes ip saddr ${formatSubnet(range)} drop`,
    `${rule} to-nodes ct status dnat drop`,
    `add chain ip ${TABLE} forward { type filter hook forward priority filter; }`,
    // One rule, since every packet of every pod passes it.
    `${rule} forward udp dport ${port} ip daddr @nodes jump to-nodes`,
    `add chain ip ${TABLE} output { type filter hook output priority filter; }`,
    `${rule} output udp dport ${port} ip saddr != ${local} ip daddr @nodes drop`,
  ];
}

/** The kind of rules; those of iptables stay when an overlay ends, in this process's namespace. */
export type GuardRules = "nftables" | "iptables";

/** Keeps the rules in a node's kernel what the plan says. */
export class Guard {
  readonly #rules: GuardRules;
  readonly #table = new OwnTable(TABLE);

  constructor(rules: GuardRules) {
    this.#rules = rules;
  }

  /** Sets or deletes the rules; returns whether they differed. Throws when they are refused. */
  async ensure(
    network: OverlayNetwork,
    guarded: Guarded,
    encapsulation: Encapsulation | undefined,
  ): Promise<boolean> {
    if (!encapsulation) return await this.#table.remove(network);
    if (this.#rules === "iptables") return await ensureChains(guardChains(encapsulation, guarded));
    return await this.#table.ensure(network, guardRules(encapsulation, guarded));
  }
}

/** Deletes the rules; nothing happens when there are none. */
export async function removeGuard(network: OverlayNetwork): Promise<void> {
  await new OwnTable(TABLE).remove(network);
}
