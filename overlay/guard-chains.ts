import { formatSubnet, type Subnet } from "@raft2kube/cni/lib/ip.ts";
import type { OwnChains } from "@raft2kube/cni/lib/own-chains.ts";
import type { Encapsulation, Sources } from "./plan.ts";

const INPUT = "R2K-OVERLAY-INPUT";
const FORWARD = "R2K-OVERLAY-FORWARD";
const OUTPUT = "R2K-OVERLAY-OUTPUT";

/** The node whose kernel is guarded. */
export interface Guarded {
  /** Range of all pods. */
  readonly range: Subnet;
  /** The node's own address, from which its encapsulated packets come. */
  readonly local: string;
  /** The link by which no packet comes from a pod: other nodes encapsulate or masquerade all. */
  readonly podless?: string;
  /** The content of VXLAN packets that iptables does not look at. */
  readonly sources?: readonly Sources[];
}

/**
 * Returns the guard's rules as chains of iptables, for a kernel without nftables. They are in the
 * table mangle, which is before filter: there the proxy's KUBE-FORWARD accepts first, and an ACCEPT
 * ends the table.
 */
export function guardChains({ port, nodes }: Encapsulation, { range, local }: Guarded): OwnChains {
  const from = formatSubnet(range);
  const others = [...new Set(nodes)].sort();
  const udp = `-p udp -m udp --dport ${port}`;
  return {
    table: "mangle",
    hooks: { INPUT, FORWARD, OUTPUT },
    rules: [
      ...others.map((node) => `-A ${INPUT} -s ${node}/32 ${udp} -j RETURN`),
      `-A ${INPUT} ${udp} -j DROP`,
      ...others.flatMap((node) => [
        `-A ${FORWARD} -s ${from} -d ${node}/32 ${udp} -j DROP`,
        `-A ${FORWARD} -d ${node}/32 ${udp} -m conntrack --ctstate DNAT -j DROP`,
      ]),
      // Sent by IPVS, still with the client's address.
      ...others.map((node) => `-A ${OUTPUT} ! -s ${local}/32 -d ${node}/32 ${udp} -j DROP`),
    ],
  };
}
