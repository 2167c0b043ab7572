import type { ServicePort, Target } from "../../plan/model.ts";
import type { Rule } from "./base.ts";
import { CHAINS, chainsOf, type PortChains, portName } from "./names.ts";

/** The rules that one Service port adds to the tables. */
export interface Fragment {
  /** The port's rules in the shared chains. */
  shared: Rule[];
  /**
   * The port's own chains of the nat table, with their rules: written as iptables-save writes them.
   */
  chains: Map<string, string[]>;
}

interface Rendering extends Fragment {
  port: ServicePort;
  names: PortChains;
  clusterCidr: string | undefined;
}

/**
 * Renders a Service port as upstream's iptables proxier does. Clients in `clusterCidr` are not
 * masqueraded to ClusterIPs.
 */
export function renderPort(port: ServicePort, clusterCidr: string | undefined): Fragment {
  const shared: Rule[] = [];
  const chains = new Map<string, string[]>();
  const to: Rendering = { shared, chains, port, names: chainsOf(port), clusterCidr };
  addClusterIps(to);
  addExternals(to);
  addPolicyChains(to);
  return { shared, chains };
}

/** The API allows no other characters in names; here one would end the comment. */
const UNUSUAL = /[^\w.:/-]/g;

const comment = ({ port }: Rendering, text: string) =>
  `-m comment --comment "${portName(port).replace(UNUSUAL, "?")}${text}"`;

/** Matches a frontend; the destination port is the Service's own unless given. */
function frontend({ port }: Rendering, ip?: string, number = port.port): string {
  const to = ip === undefined ? "" : `-d ${ip}/32 `;
  return `${to}-p ${port.transport} -m ${port.transport} --dport ${number}`;
}

/** A policy Local without local endpoints drops, so that a load balancer tries another node. */
function refusal(to: Rendering): { target: string; why: string } {
  const { allEndpoints } = to.port;
  if (allEndpoints.length > 0) {
    return { target: "DROP", why: comment(to, " has no local endpoints") };
  }
  // TCP with a reset, as the kernel limits the rate of ICMP.
  const reset = to.port.transport === "tcp" ? " --reject-with tcp-reset" : "";
  return { target: `REJECT${reset}`, why: comment(to, " has no endpoints") };
}

function addClusterIps(to: Rendering): void {
  const { port, names, shared, clusterCidr, chains } = to;
  const usable = port.internalLocal ? port.localEndpoints : port.allEndpoints;
  const chain = port.internalLocal ? names.local : names.cluster;
  for (const ip of port.clusterIps) {
    if (usable.length === 0) {
      const { target, why } = refusal(to);
      const text = `${frontend(to, ip)} ${why} -j ${target}`;
      shared.push({ table: "filter", chain: CHAINS.services, text });
      continue;
    }
    const match = `${frontend(to, ip)} ${comment(to, " cluster IP")}`;
    shared.push({ table: "nat", chain: CHAINS.services, text: `${match} -j ${chain}` });
    if (clusterCidr === undefined) continue;
    // External clients come to all endpoints marked, or as pods; to this node's as they are.
    const internal = port.internalLocal ? ` ${match}` : "";
    add(chains, chain, [`! -s ${clusterCidr}${internal} -j ${CHAINS.markMasq}`]);
  }
}

/** Adds external addresses, load balancers' addresses and the node port. */
function addExternals(to: Rendering): void {
  const { port, names, shared } = to;
  if (port.externalIps.length === 0 && port.nodePort === undefined) return;
  const usable = port.externalLocal ? port.localEndpoints : port.allEndpoints;
  const hasEndpoints = port.allEndpoints.length > 0;
  for (const ip of port.externalIps) {
    const guarded = port.firewall?.addresses.includes(ip) === true;
    const match = frontend(to, ip);
    if (hasEndpoints) {
      const chain = guarded ? names.firewall : names.external;
      const text = `${match} ${comment(to, " external IP")} -j ${chain}`;
      shared.push({ table: "nat", chain: CHAINS.services, text });
    }
    if (guarded && hasEndpoints) {
      const text = `${match} ${comment(to, ` traffic not accepted by ${names.firewall}`)} -j DROP`;
      shared.push({ table: "filter", chain: CHAINS.firewall, text });
    }
    if (usable.length === 0) refuseExternal(to, match);
  }
  const { nodePort } = port;
  if (nodePort !== undefined) {
    const match = frontend(to, undefined, nodePort);
    const text = `${match} ${comment(to, "")} -j ${names.external}`;
    if (hasEndpoints) shared.push({ table: "nat", chain: CHAINS.nodePorts, text });
    if (usable.length === 0) refuseExternal(to, `${match} -m addrtype --dst-type LOCAL`);
  }
  if (hasEndpoints) addExternalChain(to, usable);
}

function refuseExternal(to: Rendering, match: string): void {
  const { target, why } = refusal(to);
  const text = `${match} ${why} -j ${target}`;
  to.shared.push({ table: "filter", chain: CHAINS.externalServices, text });
}

/** The chain of external traffic: pods and this node may use all endpoints despite a policy. */
function addExternalChain(to: Rendering, usable: readonly Target[]): void {
  const { port, names, chains, clusterCidr } = to;
  const { firewall } = port;
  if (firewall) {
    const from = (range: string) => (range.endsWith("/0") ? "" : `-s ${range} `);
    add(
      chains,
      names.firewall,
      firewall.ranges.map((range) => `${from(range)}-j ${names.external}`),
    );
  }
  if (!port.externalLocal) {
    add(chains, names.external, [`-j ${CHAINS.markMasq}`, `-j ${names.cluster}`]);
    return;
  }
  const local = "-m addrtype --src-type LOCAL";
  add(chains, names.external, [
    ...(clusterCidr === undefined ? [] : [`-s ${clusterCidr} -j ${names.cluster}`]),
    `${local} -j ${CHAINS.markMasq}`,
    `${local} -j ${names.cluster}`,
    ...(usable.length > 0 ? [`-j ${names.local}`] : []),
  ]);
}

/** Adds the chains that choose an endpoint, if a rule refers to them, and the endpoints' chains. */
function addPolicyChains(to: Rendering): void {
  const { port, names, chains, shared } = to;
  const texts = [...shared.map(({ text }) => text), ...[...chains.values()].flat()];
  const used = (chain: string) =>
    texts.some((text) => text.endsWith(` -j ${chain}`) || text === `-j ${chain}`);
  const policies = [
    { chain: names.cluster, targets: port.allEndpoints },
    { chain: names.local, targets: port.localEndpoints },
  ].filter(({ chain }) => used(chain));
  for (const { chain, targets } of policies) {
    add(chains, chain, choice(to, targets));
    for (const target of targets) chains.set(names.endpoint(target), endpointRules(to, target));
  }
}

/** The kernel's number for a rule that always matches. */
const CERTAIN = 0x8000_0000;
/** The options of a list of clients. */
const recent = (name: string) => `--name ${name} --mask 255.255.255.255 --rsource`;

/** The rules that return a client to its endpoint, or pick one at random. */
function choice(to: Rendering, targets: readonly Target[]): string[] {
  const { affinity_s } = to.port;
  const names = targets.map((target) => to.names.endpoint(target));
  const sticky =
    affinity_s === undefined
      ? []
      : names.map(
          (name) => `-m recent --rcheck --seconds ${affinity_s} --reap ${recent(name)} -j ${name}`,
        );
  const random = names.map((name, at) => {
    const left = names.length - at;
    const probability = (Math.round(CERTAIN / left) / CERTAIN).toFixed(11);
    const chance = `-m statistic --mode random --probability ${probability} `;
    return `${left === 1 ? "" : chance}-j ${name}`;
  });
  return [...sticky, ...random];
}

/** A pod that connects to itself through a Service is masqueraded, or its replies bypass NAT. */
function endpointRules(to: Rendering, { address, port: number }: Target): string[] {
  const { transport, affinity_s } = to.port;
  // Without comments, as upstream's with many endpoints: they are most of the rules.
  const name = to.names.endpoint({ address, port: number });
  const remember = affinity_s === undefined ? "" : `-m recent --set ${recent(name)} `;
  const destination = `-j DNAT --to-destination ${address}:${number}`;
  return [`-s ${address}/32 -j ${CHAINS.markMasq}`, `-p ${transport} ${remember}${destination}`];
}

function add(chains: Map<string, string[]>, chain: string, rules: readonly string[]): void {
  const known = chains.get(chain);
  if (known) known.push(...rules);
  else chains.set(chain, [...rules]);
}
