import { isOwnLoadBalancer } from "@raft2kube/api/core/v1/service/load-balancer.ts";
import type { Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { digest } from "@raft2kube/std/digest.ts";
import type { HealthTarget } from "../health-poller.ts";
import { HEALTHZ_PORT } from "../limits.ts";
import { problemOf } from "../plan/endpoints.ts";
import { loadBalancerAddresses } from "../plan/service.ts";

/** Upstream's label of nodes that carry no address. */
const EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers";

const SERVICE_NAME = "kubernetes.io/service-name";

/** A node that an address of a load balancer can be on. */
export interface Carrier {
  readonly name: string;
  /** The node's InternalIP. */
  readonly address: string;
}

export interface BalanceScope {
  readonly apiServers?: readonly string[];
  /** EndpointSlices of the Services, at least of those whose policy is Local. */
  readonly slices?: readonly EndpointSlice[];
}

export interface BalancePlan {
  /** The node of each address. */
  readonly carriers: ReadonlyMap<string, Carrier>;
  /** The checks that the plan depends on. */
  readonly targets: readonly HealthTarget[];
}

/**
 * Decides which node carries each address of Services of the type LoadBalancer: the first that is
 * healthy, in an order of the nodes that the address and their names determine, so that every
 * observer decides alike and an address moves only when its node fails. The proxy's own health
 * counts; with externalTrafficPolicy Local, that of the Service's endpoints on the node, and of
 * nodes that have some by `slices` alone: any can say so, and would get the traffic. Without a
 * healthy node an address stays on its first one, unless its policy is Local. The addresses of
 * `apiServers` are left out, as the proxy does not serve them: a carrier would take their traffic.
 * Those that Nodes report are not: a Node could take all. Their controller gives none of a Node,
 * and NodeRestriction no Node one of a Service. `healthOf` returns undefined for a target that was
 * not asked yet. Pure.
 */
export function planBalance(
  services: readonly Service[],
  nodes: readonly Node[],
  healthOf: (target: HealthTarget) => boolean | undefined,
  { apiServers = [], slices = [] }: BalanceScope = {},
): BalancePlan {
  const ready = nodes.flatMap((node) => carrierOf(node) ?? []);
  const carriers = new Map<string, Carrier>();
  const targets: HealthTarget[] = [];
  const nodesOf = endpointNodes(slices);
  for (const [address, { port, localTo }] of checksOf(services)) {
    if (apiServers.includes(address)) continue;
    const isLocal = localTo !== undefined;
    const own = isLocal ? ready.filter(({ name }) => nodesOf.get(localTo)?.has(name)) : ready;
    const order = ordered(address, own);
    // An observer asks the nodes before the one that it chooses, and all where endpoints may be.
    const chosen = order.find((carrier, at) => {
      targets.push({ address: carrier.address, port });
      const health = healthOf({ address: carrier.address, port });
      if (health === undefined) return !isLocal && at === 0;
      return health;
    });
    const stays = isLocal ? undefined : order[0];
    const carrier = chosen ?? stays;
    if (carrier) carriers.set(address, carrier);
  }
  return { carriers, targets };
}

/**
 * The health check of each address, and the Service that a local one is of. Of a Service the first
 * address of its status alone counts, which its controller gives (controllers/loadbalancer).
 */
function checksOf(services: readonly Service[]) {
  const checks = new Map<string, { port: number; localTo?: string }>();
  for (const service of services) {
    if (!isOwnLoadBalancer(service)) continue;
    const { namespace, name } = service.metadata;
    const { externalTrafficPolicy, healthCheckNodePort } = service.spec;
    const [address] = loadBalancerAddresses(service);
    if (address === undefined) continue;
    const isLocal = externalTrafficPolicy === "Local" && healthCheckNodePort;
    const local = { port: healthCheckNodePort ?? 0, localTo: `${namespace}/${name}` };
    checks.set(address, isLocal ? local : { port: HEALTHZ_PORT });
  }
  return checks;
}

/** The nodes that have endpoints of each Service, by `namespace/name`. */
function endpointNodes(slices: readonly EndpointSlice[]): Map<string, Set<string>> {
  const nodes = new Map<string, Set<string>>();
  for (const { metadata, endpoints } of slices) {
    const key = `${metadata.namespace}/${metadata.labels?.[SERVICE_NAME]}`;
    const known = nodes.get(key) ?? new Set();
    nodes.set(key, known);
    for (const { nodeName } of endpoints ?? []) if (nodeName) known.add(nodeName);
  }
  return nodes;
}

function carrierOf({ metadata, status }: Node): Carrier | undefined {
  const { name = "", labels = {} } = metadata;
  const { conditions = [], addresses = [] } = status ?? {};
  const isReady = conditions.some(({ type, status: is }) => type === "Ready" && is === "True");
  const address = addresses.find(({ type }) => type === "InternalIP")?.address;
  // A name of the node's choice would be looked up twice a second, and faster than it is answered.
  const isUsable = address !== undefined && problemOf(address) === undefined;
  return isReady && isUsable && !(EXCLUDED in labels) ? { name, address } : undefined;
}

/** The nodes by the digest of their name and the address (rendezvous hashing). */
function ordered(address: string, nodes: readonly Carrier[]): Carrier[] {
  const ranked = nodes.map((node) => [digest(`${address} ${node.name}`), node] as const);
  return ranked.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, node]) => node);
}
