import type {
  Destination,
  DestinationState,
  IpvsProtocol,
} from "@raft2kube/linux/netfilter/ipvs.ts";
import { keyOf, type Target } from "../../plan/model.ts";

/** The weight of a destination that gets connections. */
const WEIGHT = 1;

/** Changes to the destinations of one virtual server. */
export interface DestinationSteps {
  /** Destinations to add, or to give another weight. */
  set: Destination[];
  removed: Destination[];
  /** Destinations with weight 0, which stay until their connections have ended. */
  leaving: Target[];
}

/**
 * Plans the destinations of a virtual server, whose destinations in the kernel are `found`: each of
 * `targets` with weight 1, and no others. One that is no longer wanted first gets weight 0, so that
 * its connections continue and no new one starts, and is removed once it has none. One of UDP is
 * removed immediately: a client of UDP never ends, and its packets would keep it (upstream). Pure.
 */
export function planDestinations(
  protocol: IpvsProtocol,
  targets: readonly Target[],
  found: readonly DestinationState[],
): DestinationSteps {
  // lab:14c begin destinations
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
  // lab:14c end
}
