import type { Destination, DestinationState, IpvsProtocol } from "@raft2kube/linux/netfilter/ipvs.ts";
import { keyOf, type Target } from "../../plan/model.ts";

/** The weight of a destination that gets connections. */
const WEIGHT = 1;

/** Changes to the destinations of one virtual server. */
export interface DestinationSteps {
  /** Added, or given another weight. */
  set: Destination[];
  removed: Destination[];
  /** Those with weight 0, which are there until their connections have ended. */
  leaving: Target[];
}

/**
 * Plans the destinations of a virtual server, of which the kernel has `found`: each of `targets`
 * with weight 1, and no others. One that is no longer wanted first gets weight 0, so that its
 * connections continue and no new one begins, and is removed once it has none. That of UDP is
 * removed at once: a client of UDP never ends, and its packets would keep it (upstream). Pure.
 */
export function planDestinations(
  protocol: IpvsProtocol,
  targets: readonly Target[],
  found: readonly DestinationState[],
): DestinationSteps {
  // lab:14 begin destinations
  const steps: DestinationSteps = { set: [], removed: [], leaving: [] };
  const known = new Map(found.map((one) => [keyOf(one), one]));
  for (const { address, port } of targets) {
    const key = keyOf({ address, port });
    if (known.get(key)?.weight !== WEIGHT) steps.set.push({ address, port, weight: WEIGHT });
    known.delete(key);
  }
  for (const { address, port, weight, activeConnections, inactiveConnections } of known.values()) {
    if (protocol === "udp" || activeConnections + inactiveConnections === 0) {
      steps.removed.push({ address, port, weight });
      continue;
    }
    if (weight !== 0) steps.set.push({ address, port, weight: 0 });
    steps.leaving.push({ address, port });
  }
  return steps;
  // lab:14 end
}

/** The name of a destination in its virtual server. */