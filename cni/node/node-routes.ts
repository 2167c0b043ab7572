import { isIP } from "node:net";
import { getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { deleteRoute, listRoutes, replaceRoute } from "@raft2kube/linux/netlink/route.ts";
import { asError } from "@raft2kube/std/errors.ts";
import { contains, formatSubnet, lastOf, parseIp, parseSubnet, type Subnet } from "../lib/ip.ts";
import { keepNeighbours } from "../lib/kept-neighbours.ts";
import { includes, ipv4Subnet } from "../lib/subnet.ts";

/** `NDA_PROTOCOL` of neighbours that the host keeps (free in rt_protos; the overlay's is 114). */
const NODES_PROTOCOL = 115;

/** A node of the cluster, as far as routes are concerned. */
export interface RoutedNode {
  readonly name: string;
  readonly address: string;
  readonly podCidr: string;
  readonly ready: boolean;
  /** When it was created, as RFC 3339: of two with the same range or address the older stays. */
  readonly since?: string;
}

export interface RoutesScope {
  /** The addresses that nodes can have, and the range that their pods' ranges lie in. */
  readonly nodeRange: string;
  readonly podCidr: string;
  /** The own address, which no node has. */
  readonly source?: string;
  /** Addresses in the nodes' range that no node has either: of the host, of control planes. */
  readonly others?: readonly string[];
  /** Ranges that any node can serve. */
  readonly shared: readonly string[];
  /** The node that serves them while it is ready: the first, beside the control plane. */
  readonly home?: string;
  /** The node that serves them now. */
  readonly gateway?: string;
}

export interface RoutesPlan {
  /** Destination to gateway. */
  readonly routes: ReadonlyMap<string, string>;
  /** The routes to the nodes' pods alone. */
  readonly ranges: ReadonlyMap<string, string>;
  /** The address of the node that serves the shared ranges. */
  readonly gateway: string | undefined;
  /** The nodes that were left out, each with the reason. */
  readonly problems: readonly string[];
}

/**
 * Decides the routes to the nodes' pods by their addresses, and to the shared ranges by one node:
 * `home` while it is ready, else the one that serves them already, or the first by name. A node
 * reports its address itself: addresses and ranges outside of the cluster's are left out, and those
 * that an older node has.
 */
export function planRoutes(nodes: readonly RoutedNode[], scope: RoutesScope): RoutesPlan {
  const { usable, problems } = judged(nodes, scope);
  const known = usable.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const ready = known.filter((node) => node.ready).map((node) => node.address);
  const serving = [scope.home, scope.gateway].find((node) => node && ready.includes(node));
  const gateway = serving ?? ready[0] ?? scope.gateway ?? known[0]?.address;
  const ranges = new Map(known.map((node) => [node.podCidr, node.address]));
  const routes = new Map(ranges);
  if (gateway !== undefined) for (const to of scope.shared) routes.set(to, gateway);
  return { routes, ranges, gateway, problems };
}

function judged(nodes: readonly RoutedNode[], scope: RoutesScope) {
  const taken: { node: RoutedNode; range: Subnet }[] = [];
  const problems: string[] = [];
  const age = ({ since = "", name }: RoutedNode) => `${since} ${name}`;
  for (const node of nodes.toSorted((a, b) => (age(a) < age(b) ? -1 : 1))) {
    // It has registered, and gets both in a moment.
    if (node.address === "" || node.podCidr === "") continue;
    const range = rangeOf(node, scope);
    const problem =
      range === undefined
        ? `podCIDR ${node.podCidr} is not a range of ${scope.podCidr}`
        : (foreign(node, scope) ?? conflict(node, range, taken));
    if (range && problem === undefined) taken.push({ node, range });
    else problems.push(`Node ${node.name}: ${problem}`);
  }
  return { usable: taken.map(({ node }) => node), problems };
}

/** The range of its pods; the kernel refuses one with bits after its prefix. */
function rangeOf({ podCidr }: RoutedNode, scope: RoutesScope): Subnet | undefined {
  const range = ipv4Subnet(podCidr);
  const isExact = range !== undefined && formatSubnet(range) === podCidr;
  return isExact && includes(parseSubnet(scope.podCidr, "podCidr"), range) ? range : undefined;
}

function foreign({ address }: RoutedNode, scope: RoutesScope): string | undefined {
  if (address === scope.source) return `InternalIP ${address} is the host's`;
  if (scope.others?.includes(address))
    return `InternalIP ${address} is the host's or a control plane's`;
  if (isHostOf(scope.nodeRange, address)) return undefined;
  return `InternalIP ${address} is no host's in the nodes' range ${scope.nodeRange}`;
}

function conflict(
  { address, podCidr }: RoutedNode,
  range: Subnet,
  taken: readonly { node: RoutedNode; range: Subnet }[],
): string | undefined {
  for (const { node, range: other } of taken) {
    if (node.address === address) return `InternalIP ${address} is that of Node ${node.name}`;
    if (includes(other, range) || includes(range, other)) {
      return `podCIDR ${podCidr} overlaps ${node.podCidr} of Node ${node.name}`;
    }
  }
  return undefined;
}

/** Whether it is an address of a host there: the kernel takes no broadcast address as a gateway. */
function isHostOf(range: string, address: string): boolean {
  if (isIP(address) !== 4) return false;
  const [subnet, ip] = [parseSubnet(range, "range"), parseIp(address, "address")];
  const isEdge = ip.value === subnet.network || ip.value === lastOf(subnet);
  return contains(subnet, ip) && !isEdge;
}

/**
 * Gives the link exactly these routes by gateways, besides its default route, and keeps the
 * gateways, and `others`, resolved beyond a full table of neighbours. Throws when one is refused,
 * after all others were set.
 */
export function applyRoutes(
  device: string,
  source: string,
  plan: Pick<RoutesPlan, "routes">,
  others: readonly string[] = [],
): void {
  using route = openRoute();
  const { index } = getLink(route, device);
  const present = listRoutes(route).filter(({ link, via, to }) => {
    return link === index && via !== undefined && to !== "0.0.0.0/0";
  });
  for (const { to, via } of present) {
    if (!plan.routes.has(to)) deleteRoute(route, { to, link: index, ...(via ? { via } : {}) });
  }
  const failures: Error[] = [];
  for (const [to, via] of plan.routes) {
    if (present.some((one) => one.to === to && one.via === via)) continue;
    try {
      replaceRoute(route, { to, via, link: index, source });
    } catch (thrown) {
      failures.push(asError(thrown));
    }
  }
  const kept = { link: index, protocol: NODES_PROTOCOL };
  const wanted = new Set([...plan.routes.values(), ...others]);
  keepNeighbours(route, wanted, kept, { changes: [], failures });
  if (failures[0]) throw failures[0];
}
