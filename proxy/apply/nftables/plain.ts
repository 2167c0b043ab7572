import type { ServicePort, Target } from "../../plan/model.ts";
import { HIDE, MARK_CHOICE } from "./base.ts";
import type { Fragment } from "./fragment.ts";
import type { Leads } from "./fronts.ts";

/** Where the numbers of this node's own endpoints begin: a second list behind the same front. */
const NEAR = 0x0010_0000;

/**
 * A port without session affinity: its endpoints are numbered elements of a map, and the chains
 * depend on how many there are, not whose. So ten thousand Services share a few chains, and a
 * change is data.
 */
export function renderPlain(
  port: ServicePort,
  clusterCidr: string | undefined,
  fragment: Fragment,
): Leads {
  const { transport, everywhere, here, externalLocal } = port;
  const inside = port.internalLocal ? here : everywhere;
  for (const ip of port.clusterIps) {
    number(fragment, "endpoints", `${ip} . ${transport} . ${port.port}`, inside, 0);
  }
  for (const ip of port.externalIps) {
    const front = `${ip} . ${transport} . ${port.port}`;
    number(fragment, "external-endpoints", front, everywhere, 0);
    if (externalLocal) number(fragment, "external-endpoints", front, here, NEAR);
  }
  if (port.nodePort !== undefined) {
    const front = `${transport} . ${port.nodePort}`;
    number(fragment, "node-endpoints", front, everywhere, 0);
    if (externalLocal) number(fragment, "node-endpoints", front, here, NEAR);
  }
  const counts = { all: everywhere.length, near: here.length };
  const outside = (kind: Kind) =>
    externalLocal
      ? localChain(fragment, kind, counts, clusterCidr)
      : hiddenChain(fragment, kind, counts.all);
  return {
    clusterIp: insideChain(fragment, inside.length, clusterCidr),
    externalIp: port.externalIps.length > 0 ? outside("external") : "",
    nodePort: port.nodePort === undefined ? "" : outside("node"),
  };
}

type Kind = "cluster" | "external" | "node";

const FRONTS: Readonly<Record<Kind, string>> = {
  cluster: "ip daddr . meta l4proto . th dport . meta mark map @endpoints",
  external: "ip daddr . meta l4proto . th dport . meta mark map @external-endpoints",
  node: "meta l4proto . th dport . meta mark map @node-endpoints",
};

function number(
  fragment: Fragment,
  set: string,
  front: string,
  targets: readonly Target[],
  first: number,
): void {
  for (const [at, { address, port }] of targets.entries()) {
    const key = `${front} . ${MARK_CHOICE + first + at}`;
    fragment.elements.push({ set, key, value: `${address} . ${port}` });
  }
}

/**
 * Chooses one of `count` by chance. The number travels in the packet's mark, taken off again soon.
 */
function choose(kind: Kind, count: number, first = 0): string[] {
  const offset = MARK_CHOICE + first;
  const number = count === 1 ? `${offset}` : `numgen random mod ${count} offset ${offset}`;
  return [`meta mark set ${number}`, `dnat ip to ${FRONTS[kind]}`];
}

/**
 * To a ClusterIP: clients that are no pods get this node's address, or answers would pass it by.
 */
function insideChain(fragment: Fragment, count: number, clusterCidr: string | undefined): string {
  if (count === 0) return "";
  const name = `cluster-${count}`;
  const hide = clusterCidr ? [`ip saddr != ${clusterCidr} jump ${HIDE}`] : [];
  fragment.chains.set(name, [...hide, ...choose("cluster", count)]);
  return name;
}

/** From outside, to any endpoint: the answer has to come back through this node. */
function hiddenChain(fragment: Fragment, kind: Kind, count: number): string {
  if (count === 0) return "";
  const name = `${kind}-${count}`;
  fragment.chains.set(name, [`jump ${HIDE}`, ...choose(kind, count)]);
  return name;
}

/**
 * From outside with `externalTrafficPolicy: Local`: to this node's endpoints, the client unhidden.
 */
function localChain(
  fragment: Fragment,
  kind: Kind,
  { all, near }: { all: number; near: number },
  clusterCidr: string | undefined,
): string {
  if (all === 0) return "";
  const name = `${kind}-local-${all}-${near}`;
  const whole = `${kind}-whole-${all}`;
  fragment.chains.set(whole, choose(kind, all));
  fragment.chains.set(name, [
    ...exceptions(whole, clusterCidr),
    ...(near > 0 ? choose(kind, near, NEAR) : ["drop"]),
  ]);
  return name;
}

/** Pods and this node itself stand on both sides: they may use any endpoint. */
export function exceptions(whole: string, clusterCidr: string | undefined): string[] {
  return [
    ...(clusterCidr ? [`ip saddr ${clusterCidr} goto ${whole}`] : []),
    `fib saddr type local jump ${HIDE}`,
    `fib saddr type local goto ${whole}`,
  ];
}
