import type { Fragment } from "@raft2kube/linux/netfilter/nft-table/fragment.ts";
import { digest } from "@raft2kube/std/digest.ts";
import { reachableEndpoints } from "../../plan/endpoints.ts";
import type { ServicePort, Target } from "../../plan/model.ts";
import { REJECT_CHAIN } from "./base.ts";

/** Names of the chains that serve a port's frontends. */
export type FrontendChains = { clusterIp: string; externalIp: string; nodePort: string };

/** The map that rejects a frontend without usable endpoints, for each map that serves it. */
const NO_ENDPOINT_MAPS = {
  "service-ips": "no-endpoint-services",
  "external-ips": "no-endpoint-external-ips",
} as const;

type FrontendMap = keyof typeof NO_ENDPOINT_MAPS;

/**
 * Adds the port's addresses and node port to the maps that dispatch to its chains, and
 * `apiAddresses` to the set api-endpoints, which no external address may take over.
 */
export function addFrontends(
  port: ServicePort,
  chains: FrontendChains,
  { elements }: Fragment,
): void {
  // lab:14b begin frontends
  const { transport, allEndpoints, localEndpoints } = port;
  // A policy Local without local endpoints drops, so that a load balancer tries another node.
  const rejection = allEndpoints.length > 0 ? "drop" : `goto ${REJECT_CHAIN}`;
  const add = (map: FrontendMap, ip: string, usable: readonly Target[], chain: string) => {
    const key = `${ip} . ${transport} . ${port.port}`;
    const served = usable.length > 0;
    const set = served ? map : NO_ENDPOINT_MAPS[map];
    elements.push({ set, key, value: served ? `goto ${chain}` : rejection });
  };
  for (const ip of port.clusterIps) {
    elements.push({ set: "cluster-ips", key: ip, value: "" });
    add("service-ips", ip, port.internalLocal ? localEndpoints : allEndpoints, chains.clusterIp);
  }
  for (const ip of port.externalIps) {
    add("external-ips", ip, allEndpoints, chains.externalIp);
  }
  for (const address of port.apiAddresses) {
    elements.push({ set: "api-endpoints", key: address, value: "" });
  }
  if (port.nodePort === undefined) return;
  const key = `${transport} . ${port.nodePort}`;
  const served = allEndpoints.length > 0;
  const set = served ? "service-nodeports" : "no-endpoint-nodeports";
  elements.push({ set, key, value: served ? `goto ${chains.nodePort}` : rejection });
  // lab:14b end
}

type Firewall = NonNullable<ServicePort["firewall"]>;

/** The chains of firewalls: all ports of a Service have one, thousands at most. */
const firewallChains = new WeakMap<Firewall, { chain: string; rules: string }>();

/** Returns a chain that ports with the same ranges share, and its rules, which are lines. */
function firewallChain(firewall: Firewall): { chain: string; rules: string } {
  const known = firewallChains.get(firewall);
  if (known) return known;
  const ranges = [...new Set(firewall.ranges)].sort();
  const rules = [...ranges.map((range) => `ip saddr ${range} return`), "drop"].join("\n");
  const made = { chain: `firewall-${digest(ranges.join())}`, rules };
  firewallChains.set(firewall, made);
  return made;
}

/** Drops clients that are not in the source ranges of a load balancer's address. */
export function addFirewall({ transport, port, firewall }: ServicePort, fragment: Fragment): void {
  if (!firewall) return;
  const { chain, rules } = firewallChain(firewall);
  fragment.chains.set(chain, [rules]);
  for (const ip of firewall.addresses) {
    const key = `${ip} . ${transport} . ${port}`;
    fragment.elements.push({ set: "firewall-ips", key, value: `goto ${chain}` });
  }
}

/**
 * A pod that connects to itself through a Service is masqueraded, or its replies bypass NAT. Those
 * of other nodes come here with their own address through a policy Local alone. An endpoint without
 * a node in its slice may be a pod of this one.
 */
export function addHairpins(port: ServicePort, { elements }: Fragment): void {
  // lab:14b begin hairpins
  const targets = port.externalLocal
    ? reachableEndpoints(port)
    : [...port.localEndpoints, ...port.unplacedEndpoints];
  for (const { address } of targets) {
    elements.push({ set: "hairpin-connections", key: `${address} . ${address}`, value: "" });
  }
  // lab:14b end
}
