import { createHash } from "node:crypto";
import type { ServicePort, Target } from "../../plan/model.ts";
import { AFFINITY_CLIENTS } from "../../limits.ts";

/** What one Service port puts into the table. Elements may be claimed by several ports. */
export interface Fragment {
  /** Whose it is; stands as comment on elements. */
  owner: string;
  /** Chains by name, with their rules. */
  chains: Map<string, string[]>;
  /** Sets of clients by name, with their definition. */
  sets: Map<string, string>;
  elements: Element[];
}

export interface Element {
  set: string;
  key: string;
  /** A map's value; empty for a set. */
  value: string;
}

export const MARK_MASQUERADE = "mark-masquerade";
export const REJECT = "reject-client";

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

/** Renders a Service port. `clusterCidr` is the range whose clients need no masquerade. */
export function renderPort(port: ServicePort, clusterCidr: string | undefined): Fragment {
  const fragment: Fragment = { owner: port.key, chains: new Map(), sets: new Map(), elements: [] };
  const id = digest(port.key);
  const targets = port.internalLocal ? port.here : port.everywhere;
  const external = port.nodePort !== undefined || port.externalIps.length > 0;
  const balance = balancer(port, fragment);
  for (const ip of port.clusterIps) {
    fragment.elements.push({ set: "cluster-ips", key: ip, value: "" });
  }
  if (targets.length > 0) {
    const hide = clusterCidr ? [`ip saddr != ${clusterCidr} jump ${MARK_MASQUERADE}`] : [];
    fragment.chains.set(`svc-${id}`, [...hide, ...balance(targets)]);
  }
  if (external && port.everywhere.length > 0) {
    fragment.chains.set(`all-${id}`, balance(port.everywhere));
    fragment.chains.set(`ext-${id}`, externalRules(port, id, clusterCidr, balance));
  }
  claimFronts(port, id, fragment);
  for (const { address } of port.everywhere) {
    fragment.elements.push({ set: "hairpins", key: `${address} . ${address}`, value: "" });
  }
  return fragment;
}

/** The maps' elements that lead to the chains, or to a refusal where there is no endpoint. */
function claimFronts(port: ServicePort, id: string, fragment: Fragment): void {
  const { transport, everywhere, here } = port;
  const claim = (ip: string, usable: Target[], chain: string) => {
    const key = `${ip} . ${transport} . ${port.port}`;
    // Endpoints elsewhere only, with a local policy: dropped, so that a balancer tries another
    // node.
    const refusal = everywhere.length > 0 ? "drop" : `goto ${REJECT}`;
    if (usable.length > 0) fragment.elements.push({ set: "services", key, value: `goto ${chain}` });
    else fragment.elements.push({ set: "refused-services", key, value: refusal });
  };
  for (const ip of port.clusterIps) {
    claim(ip, port.internalLocal ? here : everywhere, `svc-${id}`);
  }
  for (const ip of port.externalIps) claim(ip, everywhere, `ext-${id}`);
  if (port.nodePort === undefined) return;
  const key = `${transport} . ${port.nodePort}`;
  const usable = everywhere.length > 0;
  const [set, value] = usable
    ? ["node-ports", `goto ext-${id}`]
    : ["refused-node-ports", `goto ${REJECT}`];
  fragment.elements.push({ set, key, value });
}

/** From outside: the answer must come back through this node, or the endpoint be on this node. */
function externalRules(
  port: ServicePort,
  id: string,
  clusterCidr: string | undefined,
  balance: (targets: Target[]) => string[],
): string[] {
  if (!port.externalLocal) return [`jump ${MARK_MASQUERADE}`, `goto all-${id}`];
  return [
    // Pods and this node itself stand on both sides: they may use any endpoint.
    ...(clusterCidr ? [`ip saddr ${clusterCidr} goto all-${id}`] : []),
    `fib saddr type local jump ${MARK_MASQUERADE}`,
    `fib saddr type local goto all-${id}`,
    ...(port.here.length > 0 ? balance(port.here) : ["drop"]),
  ];
}

/** A function that gives the rules choosing one target at random, or the client's earlier one. */
function balancer(port: ServicePort, fragment: Fragment): (targets: Target[]) => string[] {
  const { transport, affinity_s } = port;
  const dnat = ({ address, port: to }: Target) =>
    `meta l4proto ${transport} dnat to ${address}:${to}`;
  if (affinity_s === undefined) {
    return (targets) => {
      const [only] = targets;
      if (targets.length === 1 && only) return [dnat(only)];
      const choices = targets.map(({ address, port: to }, at) => `${at} : ${address} . ${to}`);
      const map = `numgen random mod ${targets.length} map { ${choices.join(", ")} }`;
      return [`meta l4proto ${transport} dnat ip to ${map}`];
    };
  }
  return (targets) => {
    const chains = targets.map((target) => {
      const name = digest(`${port.key} ${target.address}:${target.port} ${affinity_s}`);
      const definition =
        `type ipv4_addr; size ${AFFINITY_CLIENTS}; ` +
        `flags dynamic, timeout; timeout ${affinity_s}s;`;
      fragment.sets.set(`clients-${name}`, definition);
      fragment.chains.set(`ep-${name}`, [`update @clients-${name} { ip saddr }`, dnat(target)]);
      return name;
    });
    const known = chains.map((name) => `ip saddr @clients-${name} goto ep-${name}`);
    const choices = chains.map((name, at) => `${at} : goto ep-${name}`);
    return [...known, `numgen random mod ${targets.length} vmap { ${choices.join(", ")} }`];
  };
}
