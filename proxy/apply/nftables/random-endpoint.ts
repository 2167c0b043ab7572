import type { Fragment } from "@raft2kube/linux/netfilter/nft-table/fragment.ts";
import type { ServicePort, Target } from "../../plan/model.ts";
import { ENDPOINT_MARK, MARK_MASQ_CHAIN } from "./base.ts";
import type { FrontendChains } from "./frontends.ts";

/** First number of a frontend's local endpoints, which are listed after all its endpoints. */
const LOCAL_OFFSET = 0x0010_0000;

/**
 * Renders a port without session affinity: its endpoints are numbered elements of a map. The chains
 * depend on the number of endpoints only, so that 10,000 Services share a few chains and a change
 * affects elements alone.
 */
export function renderRandomEndpoint(
  port: ServicePort,
  clusterCidr: string | undefined,
  fragment: Fragment,
): FrontendChains {
  const { transport, allEndpoints: all, localEndpoints: local, externalLocal } = port;
  const internal = port.internalLocal ? local : all;
  for (const ip of port.clusterIps) {
    number(fragment, "service", `${ip} . ${transport} . ${port.port}`, internal, 0);
  }
  for (const ip of port.externalIps) {
    const frontend = `${ip} . ${transport} . ${port.port}`;
    number(fragment, "external", frontend, all, 0);
    if (externalLocal) number(fragment, "external", frontend, local, LOCAL_OFFSET);
  }
  if (port.nodePort !== undefined) {
    const frontend = `${transport} . ${port.nodePort}`;
    number(fragment, "nodeport", frontend, all, 0);
    if (externalLocal) number(fragment, "nodeport", frontend, local, LOCAL_OFFSET);
  }
  const counts = { all: all.length, local: local.length };
  const external = (kind: Kind) =>
    externalLocal
      ? localChain(fragment, kind, counts, clusterCidr)
      : masqueradedChain(fragment, kind, counts.all);
  return {
    clusterIp: internalChain(fragment, internal.length, clusterCidr),
    externalIp: port.externalIps.length > 0 ? external("external") : "",
    nodePort: port.nodePort === undefined ? "" : external("nodeport"),
  };
}

/** Kinds of frontends; each has its map of endpoints, `KIND-endpoints`. */
type Kind = "service" | "external" | "nodeport";

const ENDPOINT_OF: Readonly<Record<Kind, string>> = {
  service: "ip daddr . meta l4proto . th dport . meta mark map @service-endpoints",
  external: "ip daddr . meta l4proto . th dport . meta mark map @external-endpoints",
  nodeport: "meta l4proto . th dport . meta mark map @nodeport-endpoints",
};

/** Adds the endpoints of a frontend to its map, numbered from `first`. */
function number(
  fragment: Fragment,
  kind: Kind,
  frontend: string,
  targets: readonly Target[],
  first: number,
): void {
  for (const [at, { address, port }] of targets.entries()) {
    const key = `${frontend} . ${ENDPOINT_MARK + first + at}`;
    fragment.elements.push({ set: `${kind}-endpoints`, key, value: `${address} . ${port}` });
  }
}

/**
 * Returns the rules that pick one of `count` endpoints at random. Its number is in the packet mark
 * until clear-endpoint-mark.
 */
function pickRandom(kind: Kind, count: number, first = 0): string[] {
  // lab:14b begin pick-random
  const offset = ENDPOINT_MARK + first;
  const number = count === 1 ? `${offset}` : `numgen random mod ${count} offset ${offset}`;
  return [`meta mark set ${number}`, `dnat ip to ${ENDPOINT_OF[kind]}`];
  // lab:14b end
}

/**
 * A chain for ClusterIPs. Clients outside of the pods' range are masqueraded: their replies must
 * pass this node.
 */
function internalChain(fragment: Fragment, count: number, clusterCidr: string | undefined): string {
  // lab:14b begin internal-chain
  if (count === 0) return "";
  const name = `service-endpoints-${count}`;
  const mark = clusterCidr ? [`ip saddr != ${clusterCidr} jump ${MARK_MASQ_CHAIN}`] : [];
  fragment.chains.set(name, [...mark, ...pickRandom("service", count)]);
  return name;
  // lab:14b end
}

/** A chain for external traffic to any endpoint: all is masqueraded. */
function masqueradedChain(fragment: Fragment, kind: Kind, count: number): string {
  if (count === 0) return "";
  const name = `${kind}-endpoints-${count}`;
  fragment.chains.set(name, [`jump ${MARK_MASQ_CHAIN}`, ...pickRandom(kind, count)]);
  return name;
}

/** A chain for `externalTrafficPolicy: Local`: local endpoints, not masqueraded. */
function localChain(
  fragment: Fragment,
  kind: Kind,
  { all, local }: { all: number; local: number },
  clusterCidr: string | undefined,
): string {
  // lab:14b begin local-chain
  if (all === 0) return "";
  const name = `${kind}-local-endpoints-${all}-${local}`;
  const allChain = `${kind}-all-endpoints-${all}`;
  fragment.chains.set(allChain, pickRandom(kind, all));
  fragment.chains.set(name, [
    ...internalClients(allChain, clusterCidr),
    ...(local > 0 ? pickRandom(kind, local, LOCAL_OFFSET) : ["drop"]),
  ]);
  return name;
  // lab:14b end
}

/** Returns the rules that let pods and this node use all endpoints despite the policy Local. */
export function internalClients(allChain: string, clusterCidr: string | undefined): string[] {
  return [
    ...(clusterCidr ? [`ip saddr ${clusterCidr} goto ${allChain}`] : []),
    `fib saddr type local jump ${MARK_MASQ_CHAIN}`,
    `fib saddr type local goto ${allChain}`,
  ];
}
