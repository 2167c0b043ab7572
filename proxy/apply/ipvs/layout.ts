import type { IpsetType } from "@raft2kube/linux/netfilter/ipset.ts";
import {
  jump,
  type Layout,
  MASQUERADE_MARK,
  masqueradeRules,
  NEW,
  type Rule,
} from "../iptables/base.ts";

/** The device that has all addresses of Services, so that their packets are the node's own. */
export const DEVICE = "kube-ipvs0";
/** Start of the device's alias: the device is ours, not upstream's kube-proxy's. A note follows. */
export const DEVICE_OWNER = "r2k proxy";

/** The sets that the rules ask; the names are upstream's where it has the same. */
export const SETS = {
  clusterIp: "KUBE-CLUSTER-IP",
  external: "KUBE-EXTERNAL-IP",
  externalLocal: "KUBE-EXTERNAL-IP-LOCAL",
  nodePort: "KUBE-NODE-PORT",
  loopBack: "KUBE-LOOP-BACK",
  addresses: "KUBE-IPVS-IPS",
  guarded: "KUBE-LOAD-BALANCER-FW",
  admitted: "KUBE-LOAD-BALANCER-SOURCE-CIDR",
} as const;

/** The set that is filled, and then takes the place of one of these; no rule has it. */
export const FRESH_SET = "R2K-FRESH";

export type SetName = (typeof SETS)[keyof typeof SETS];

export const SET_TYPES: Readonly<Record<SetName, IpsetType>> = {
  [SETS.clusterIp]: "hash:ip,port",
  [SETS.external]: "hash:ip,port",
  [SETS.externalLocal]: "hash:ip,port",
  [SETS.nodePort]: "hash:ip,port",
  [SETS.loopBack]: "hash:ip,port,ip",
  [SETS.addresses]: "hash:ip",
  [SETS.guarded]: "hash:ip,port",
  [SETS.admitted]: "hash:ip,port,net",
};

/** Chains of this mode; those of iptables mode may be there at the same time, during a change. */
const CHAINS = {
  services: "KUBE-IPVS-SERVICES",
  markMasq: "KUBE-IPVS-MARK-MASQ",
  postrouting: "KUBE-IPVS-POSTROUTING",
  filter: "KUBE-IPVS-FILTER",
  firewall: "KUBE-IPVS-FIREWALL",
  ranges: "KUBE-IPVS-SOURCE-RANGES",
  forward: "KUBE-IPVS-FORWARD",
} as const;

export const LAYOUT: Layout = {
  owner: "(r2k ipvs)",
  jumps: [
    jump("nat", "PREROUTING", CHAINS.services),
    jump("nat", "OUTPUT", CHAINS.services),
    jump("nat", "POSTROUTING", CHAINS.postrouting),
    jump("filter", "INPUT", CHAINS.filter, NEW),
    jump("filter", "INPUT", CHAINS.firewall, NEW),
    jump("filter", "FORWARD", CHAINS.forward),
  ],
  shared: {
    nat: [CHAINS.services, CHAINS.markMasq, CHAINS.postrouting],
    filter: [CHAINS.filter, CHAINS.firewall, CHAINS.ranges, CHAINS.forward],
  },
};

const to = (set: string) => `-m set --match-set ${set} dst,dst`;

/**
 * Returns the rules of the chains, which are the same for any Services: the sets differ. Clients in
 * `clusterCidr` are not masqueraded to ClusterIPs.
 */
export function ipvsRules(clusterCidr: string | undefined): Rule[] {
  const nat = (chain: string, text: string): Rule => ({ table: "nat", chain, text });
  const filter = (chain: string, text: string): Rule => ({ table: "filter", chain, text });
  const mark = `-j ${CHAINS.markMasq}`;
  // Without a range: the node itself, which takes the Service's address as its own.
  const outside =
    clusterCidr === undefined
      ? `-m set --match-set ${SETS.clusterIp} src,dst`
      : `! -s ${clusterCidr} ${to(SETS.clusterIp)}`;
  return [
    nat(CHAINS.services, `${outside} ${mark}`),
    nat(CHAINS.services, `${to(SETS.external)} ${mark}`),
    nat(CHAINS.services, `${to(SETS.nodePort)} ${mark}`),
    nat(CHAINS.markMasq, "-j MARK --or-mark 0x4000"),
    nat(CHAINS.postrouting, `-m set --match-set ${SETS.loopBack} dst,dst,src -j MASQUERADE`),
    nat(CHAINS.postrouting, `-m mark ! --mark ${MASQUERADE_MARK} -j RETURN`),
    nat(CHAINS.postrouting, "-j MARK --xor-mark 0x4000"),
    ...masqueradeRules(clusterCidr).map((rule) => nat(CHAINS.postrouting, rule)),
    // Other ports of the Services' addresses would be the node's own.
    filter(CHAINS.filter, `${to(SETS.clusterIp)} -j RETURN`),
    filter(CHAINS.filter, `${to(SETS.external)} -j RETURN`),
    filter(CHAINS.filter, `${to(SETS.externalLocal)} -j RETURN`),
    filter(CHAINS.filter, refuse("-p tcp ", " --reject-with tcp-reset")),
    filter(CHAINS.filter, refuse("", "")),
    filter(CHAINS.firewall, `${to(SETS.guarded)} -j ${CHAINS.ranges}`),
    filter(CHAINS.ranges, `-m set --match-set ${SETS.admitted} dst,dst,src -j RETURN`),
    filter(CHAINS.ranges, "-j DROP"),
    filter(CHAINS.forward, `-m mark --mark ${MASQUERADE_MARK} -j ACCEPT`),
    filter(CHAINS.forward, "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
  ];
}

function refuse(match: string, how: string): string {
  return `${match}-m set --match-set ${SETS.addresses} dst -j REJECT${how}`;
}
