import type { ServicePort, Target } from "../../plan/model.ts";
import { AFFINITY_CLIENTS } from "../../limits.ts";
import { MARK_MASQ_CHAIN } from "./base.ts";
import { digest } from "./digest.ts";
import type { Fragment } from "./fragment.ts";
import type { FrontendChains } from "./frontends.ts";
import { internalClients } from "./random-endpoint.ts";

/**
 * Renders a port with session affinity: each endpoint has a set of its clients, whose elements the
 * kernel adds and expires, and a chain that adds a client to it.
 */
export function renderSessionAffinity(
  port: ServicePort,
  clusterCidr: string | undefined,
  fragment: Fragment,
): FrontendChains {
  const { allEndpoints, localEndpoints } = port;
  const id = digest(port.key);
  const internal = port.internalLocal ? localEndpoints : allEndpoints;
  const external = `external-${id}`;
  const chains = { clusterIp: `service-${id}`, externalIp: external, nodePort: external };
  if (internal.length > 0) {
    const mark = clusterCidr ? [`ip saddr != ${clusterCidr} jump ${MARK_MASQ_CHAIN}`] : [];
    fragment.chains.set(chains.clusterIp, [...mark, ...stick(port, internal, fragment)]);
  }
  const isExternal = port.nodePort !== undefined || port.externalIps.length > 0;
  if (!isExternal || allEndpoints.length === 0) return chains;
  if (!port.externalLocal) {
    fragment.chains.set(external, [
      `jump ${MARK_MASQ_CHAIN}`,
      ...stick(port, allEndpoints, fragment),
    ]);
    return chains;
  }
  const allChain = `external-all-${id}`;
  fragment.chains.set(allChain, stick(port, allEndpoints, fragment));
  fragment.chains.set(external, [
    ...internalClients(allChain, clusterCidr),
    ...(localEndpoints.length > 0 ? stick(port, localEndpoints, fragment) : ["drop"]),
  ]);
  return chains;
}

/** Returns the rules that send a client to its endpoint, or pick one; adds their chains. */
function stick(port: ServicePort, targets: readonly Target[], fragment: Fragment): string[] {
  const { transport, affinity_s } = port;
  const names = targets.map(({ address, port: to }) => {
    const name = digest(`${port.key} ${address}:${to} ${affinity_s}`);
    fragment.sets.set(
      `affinity-${name}`,
      `type ipv4_addr; size ${AFFINITY_CLIENTS}; flags dynamic, timeout; timeout ${affinity_s}s;`,
    );
    fragment.chains.set(`endpoint-${name}`, [
      `update @affinity-${name} { ip saddr }`,
      `meta l4proto ${transport} dnat to ${address}:${to}`,
    ]);
    return name;
  });
  const choices = names.map((name, at) => `${at} : goto endpoint-${name}`).join(", ");
  return [
    ...names.map((name) => `ip saddr @affinity-${name} goto endpoint-${name}`),
    `numgen random mod ${names.length} vmap { ${choices} }`,
  ];
}
