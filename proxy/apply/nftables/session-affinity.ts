import type { Fragment } from "@raft2kube/linux/netfilter/nft-table/fragment.ts";
import { digest } from "@raft2kube/std/digest.ts";
import { Groups } from "@raft2kube/std/groups.ts";
import {
  AFFINITY_CLIENTS,
  AFFINITY_CLIENTS_OF_NAMESPACE,
  AFFINITY_ENDPOINTS_MAX,
  AFFINITY_ENDPOINTS_OF_NAMESPACE,
} from "../../limits.ts";
import { reachableEndpoints } from "../../plan/endpoints.ts";
import type { ServicePort, Target } from "../../plan/model.ts";
import { NamespaceParts, namespaceOf } from "../namespace-parts.ts";
import { MARK_MASQ_CHAIN } from "./base.ts";
import type { FrontendChains } from "./frontends.ts";
import { internalClients } from "./random-endpoint.ts";

/** Divides clients and endpoints among ports with session affinity. */
export class AffinityShares {
  readonly #ports = new Groups();
  readonly #endpoints = new NamespaceParts({
    each: AFFINITY_ENDPOINTS_OF_NAMESPACE,
    all: AFFINITY_ENDPOINTS_MAX,
  });
  readonly #refused = new Set<string>();
  readonly #refusedSince = new Set<string>();

  /**
   * Takes note of a port; returns how many clients all sets of it may have: 0, and it has no
   * affinity, where its endpoints are beyond the part of its namespace, or of all. Sets keep the
   * size they were made with until the next rebuild, since a new one would forget its clients:
   * ports that are added one by one have the harmonic sum of the namespace's bound, ten times it
   * for 10,000.
   */
  share(key: string, port: ServicePort | undefined): number {
    const namespace = namespaceOf(key);
    const wants = port?.affinity_s !== undefined;
    const fits = this.#endpoints.count(key, wants ? reachableEndpoints(port).length : undefined);
    if (wants && fits) this.#ports.add(namespace, key);
    else this.#ports.delete(namespace, key);
    if (!fits && !this.#refused.has(key)) this.#refusedSince.add(key);
    if (fits) this.#refused.delete(key);
    else this.#refused.add(key);
    return fits ? AFFINITY_CLIENTS_OF_NAMESPACE / Math.max(1, this.#ports.of(namespace).size) : 0;
  }

  /** Returns the ports that are without the affinity they want since the last call. */
  takeRefused(): string[] {
    const since = [...this.#refusedSince].filter((key) => this.#refused.has(key));
    this.#refusedSince.clear();
    return since;
  }
}

/**
 * Renders a port with session affinity: each endpoint has a set of its clients, whose elements the
 * kernel adds and expires, and a chain that adds a client to it. The sets have at most about
 * `clients` in all.
 */
export function renderSessionAffinity(
  port: ServicePort,
  clusterCidr: string | undefined,
  fragment: Fragment,
  clients = AFFINITY_CLIENTS,
): FrontendChains {
  const { allEndpoints, localEndpoints } = port;
  const each = Math.floor(clients / Math.max(1, reachableEndpoints(port).length));
  const size = Math.min(AFFINITY_CLIENTS, Math.max(1, each));
  const stick = (targets: readonly Target[]) => stickTo(port, targets, fragment, size);
  const id = digest(port.key);
  const internal = port.internalLocal ? localEndpoints : allEndpoints;
  const external = `external-${id}`;
  const chains = { clusterIp: `service-${id}`, externalIp: external, nodePort: external };
  if (internal.length > 0) {
    const mark = clusterCidr ? [`ip saddr != ${clusterCidr} jump ${MARK_MASQ_CHAIN}`] : [];
    fragment.chains.set(chains.clusterIp, [...mark, ...stick(internal)]);
  }
  const isExternal = port.nodePort !== undefined || port.externalIps.length > 0;
  if (!isExternal || allEndpoints.length === 0) return chains;
  if (!port.externalLocal) {
    fragment.chains.set(external, [`jump ${MARK_MASQ_CHAIN}`, ...stick(allEndpoints)]);
    return chains;
  }
  const allChain = `external-all-${id}`;
  fragment.chains.set(allChain, stick(allEndpoints));
  fragment.chains.set(external, [
    ...internalClients(allChain, clusterCidr),
    ...(localEndpoints.length > 0 ? stick(localEndpoints) : ["drop"]),
  ]);
  return chains;
}

/** Returns the rules that send a client to its endpoint, or pick one; adds their chains. */
function stickTo(
  port: ServicePort,
  targets: readonly Target[],
  fragment: Fragment,
  size: number,
): string[] {
  const { transport, affinity_s } = port;
  const names = targets.map(({ address, port: to }) => {
    const name = digest(`${port.key} ${address}:${to} ${affinity_s}`);
    fragment.sets.set(
      `affinity-${name}`,
      `type ipv4_addr; size ${size}; flags dynamic, timeout; timeout ${affinity_s}s;`,
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
