import { hasAddress, ipv4Subnet, isUnicast } from "@raft2kube/cni/lib/subnet.ts";
import type { Route } from "@raft2kube/linux/netlink/route.ts";
import { OVERLAY_PROTOCOL } from "./difference.ts";
import type { OverlayPlan, Underlay } from "./plan.ts";

/**
 * The addresses that this node resolves by ARP, on its own subnets: of other nodes, and `others`
 * that it depends on, of which those that are no IPv4 addresses are left out.
 */
export function nextHops(
  { encapsulation, routes }: Pick<OverlayPlan, "encapsulation" | "routes">,
  { address, connected }: Pick<Underlay, "address" | "connected">,
  others: readonly string[],
): Set<string> {
  const subnets = connected.map(ipv4Subnet).filter((subnet) => subnet !== undefined);
  const gateways = routes.filter(({ by }) => by === "underlay").flatMap(({ via }) => via ?? []);
  const reached = [...(encapsulation?.nodes ?? []), ...gateways, ...others.filter(isUnicast)];
  const isNextHop = (hop: string) =>
    hop !== address && subnets.some((subnet) => hasAddress(subnet, hop));
  return new Set(reached.filter(isNextHop));
}

/** Gateways of a link's routes, its default route's first of all, without the overlay's own. */
export function gatewaysOf(routes: readonly Route[], link: number): string[] {
  const foreign = routes.filter((route) => {
    return route.link === link && route.protocol !== OVERLAY_PROTOCOL;
  });
  return foreign.flatMap(({ via }) => via ?? []);
}
