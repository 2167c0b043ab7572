import type { Link } from "@raft2kube/linux/link.ts";
import {
  deleteNeighbour, keepNeighbour, listNeighbours, type Neighbour,
} from "@raft2kube/linux/neighbour.ts";
import type { NetlinkSocket } from "@raft2kube/linux/netlink.ts";
import { asError } from "@raft2kube/std/errors.ts";
import { hasAddress, ipv4Subnet } from "../lib/subnet.ts";
import { OVERLAY_PROTOCOL } from "./difference.ts";
import type { OverlayPlan, Underlay } from "./plan.ts";

/** The addresses of other nodes that this node resolves by ARP, on its own subnets. */
export function nextHops(
  { encapsulation, routes }: Pick<OverlayPlan, "encapsulation" | "routes">,
  { connected }: Pick<Underlay, "connected">,
): Set<string> {
  const subnets = connected.map(ipv4Subnet).filter((subnet) => subnet !== undefined);
  const gateways = routes.filter(({ by }) => by === "underlay").flatMap(({ via }) => via ?? []);
  const nodes = [...(encapsulation?.nodes ?? []), ...gateways];
  return new Set(nodes.filter((node) => subnets.some((subnet) => hasAddress(subnet, node))));
}

/**
 * Keeps the other nodes' addresses resolved on the underlay: a full table of neighbours, which all
 * network namespaces of a machine share, takes no new entry and drops what is older than 5 s.
 * Appends what was changed, and what was refused.
 */
export function keepNextHops(
  route: NetlinkSocket,
  wanted: ReadonlySet<string>,
  { index: link }: Pick<Link, "index">,
  { changes, failures }: { changes: string[]; failures: Error[] },
): void {
  const protocol = OVERLAY_PROTOCOL;
  const entries = listNeighbours(route, "ip", link);
  const isOurs = (entry: Neighbour) => entry.protocol === protocol;
  // A permanent one is an administrator's, and not dropped either.
  const kept = entries.filter((entry) => isOurs(entry) || entry.permanent);
  const present = new Set(kept.map(({ address }) => address));
  const change = (done: string, make: () => void) => {
    try {
      make();
      changes.push(done);
    } catch (thrown) {
      failures.push(asError(thrown));
    }
  };
  for (const entry of entries.filter(isOurs)) {
    const { address } = entry;
    if (wanted.has(address)) continue;
    change(`let neighbour ${address} go`, () => deleteNeighbour(route, "ip", entry));
  }
  for (const address of wanted) {
    if (present.has(address)) continue;
    change(`kept neighbour ${address}`, () => keepNeighbour(route, { link, address, protocol }));
  }
}
