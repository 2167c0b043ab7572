import { iptablesMasquerades } from "@raft2kube/linux/netfilter/iptables.ts";
import { MASQUERADE_PORTS } from "@raft2kube/linux/netfilter/nft.ts";
import { CHAINS } from "./names.ts";

export type Table = "nat" | "filter";

/** A rule of a shared chain. */
export type Rule = { table: Table; chain: string; text: string };

/** Upstream's default: bit 14 of the packet's mark requests masquerading. */
export const MASQUERADE_MARK = "0x4000/0x4000";
/** A jump from a built-in chain. */
export type Jump = { table: Table; from: string; to: string; match: string };

export const NEW = "-m conntrack --ctstate NEW ";
export const jump = (table: Table, from: string, to: string, match = ""): Jump => ({
  table,
  from,
  to,
  match,
});

/** A mode's shared chains and rules, beside the Services' own chains. */
export interface Layout {
  /** Comment of the jumps, which distinguishes our rules from upstream's kube-proxy's. */
  owner: string;
  /** Jumps, each inserted before the rules of its chain. */
  jumps: readonly Jump[];
  /** The shared chains of each table. */
  shared: Readonly<Record<Table, readonly string[]>>;
}

/** Upstream's jumps. */
const JUMPS: readonly Jump[] = [
  jump("filter", "INPUT", CHAINS.externalServices, NEW),
  jump("filter", "FORWARD", CHAINS.externalServices, NEW),
  jump("filter", "INPUT", CHAINS.nodePorts),
  jump("filter", "FORWARD", CHAINS.services, NEW),
  jump("filter", "OUTPUT", CHAINS.services, NEW),
  jump("filter", "FORWARD", CHAINS.forward),
  jump("filter", "INPUT", CHAINS.firewall, NEW),
  jump("filter", "OUTPUT", CHAINS.firewall, NEW),
  jump("filter", "FORWARD", CHAINS.firewall, NEW),
  jump("nat", "OUTPUT", CHAINS.services),
  jump("nat", "PREROUTING", CHAINS.services),
  jump("nat", "POSTROUTING", CHAINS.postrouting),
];

/** Returns the text of a jump's rule. */
export function jumpText({ match, to }: Jump, { owner }: Layout): string {
  return `${match}-m comment --comment "kubernetes service rules ${owner}" -j ${to}`;
}

/** Whether a line of iptables-save is this jump, ours. */
export function isJump(line: string, { from, to }: Jump, { owner }: Layout): boolean {
  return line.startsWith(`-A ${from} `) && line.includes(owner) && line.endsWith(` -j ${to}`);
}

/** Upstream's chains. */
export const LAYOUT: Layout = {
  owner: "(r2k)",
  jumps: JUMPS,
  shared: {
    filter: [
      CHAINS.services,
      CHAINS.externalServices,
      CHAINS.forward,
      CHAINS.nodePorts,
      CHAINS.firewall,
    ],
    nat: [CHAINS.services, CHAINS.nodePorts, CHAINS.postrouting, CHAINS.markMasq],
  },
};

/** The comment of the rule that must remain the last of KUBE-SERVICES. */
const LAST =
  '-m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule"';

/**
 * Returns the rules of the shared chains without Services. Loopback addresses serve no node ports:
 * route_localnet stays off (CVE-2020-8558).
 */
export function baseRules(
  nodePortAddresses: readonly string[] | undefined,
  clusterCidr?: string,
): Rule[] {
  const nat = (chain: string, text: string): Rule => ({ table: "nat", chain, text });
  const forward = (text: string): Rule => ({ table: "filter", chain: CHAINS.forward, text });
  const local = "-m addrtype --dst-type LOCAL";
  const destinations = nodePortAddresses?.length
    ? nodePortAddresses.map((range) => `-d ${range} `)
    : ["! -d 127.0.0.0/8 "];
  return [
    nat(CHAINS.postrouting, `-m mark ! --mark ${MASQUERADE_MARK} -j RETURN`),
    // Else the packet is masqueraded again if it passes the network stack again.
    nat(CHAINS.postrouting, "-j MARK --xor-mark 0x4000"),
    ...masqueradeRules(clusterCidr).map((rule) => nat(CHAINS.postrouting, rule)),
    nat(CHAINS.markMasq, "-j MARK --or-mark 0x4000"),
    ...destinations.map((to) =>
      nat(CHAINS.services, `${to}${local} ${LAST} -j ${CHAINS.nodePorts}`),
    ),
    forward("-m conntrack --ctstate INVALID -j DROP"),
    forward(`-m mark --mark ${MASQUERADE_MARK} -j ACCEPT`),
    forward("-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
  ];
}

/** Returns the rules that masquerade; pods of `clusterCidr` leave ports to other clients. */
export function masqueradeRules(clusterCidr: string | undefined): string[] {
  const rules = (from: string, ports: string) =>
    iptablesMasquerades(ports).map(({ match, target }) =>
      `${from}${match} -j ${target} --random-fully`.trimStart(),
    );
  const ofPods = clusterCidr ? rules(`-s ${clusterCidr}`, MASQUERADE_PORTS.ofPods) : [];
  return [...ofPods, ...rules("", MASQUERADE_PORTS.any)];
}
