import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { EVICTION_PAUSE_MS, SLOW_EVICTION_PAUSE_MS, SMALL_ZONE_NODES_MAX } from "../limits.ts";
import { isNodeReady, zoneOf } from "../node-state.ts";

/** A node with this label does not count when the health of its zone is judged. */
const EXCLUDED = "node.kubernetes.io/exclude-disruption";
/** The part of its nodes, and more than two, from which on a zone is at fault, and not they. */
const UNHEALTHY_PART = 0.55;

/**
 * The pause between two nodes of a zone whose pods are evicted: Infinity if none are, since most of
 * a small zone's nodes are not ready. If none of them is, they are lost, as upstream has it.
 */
export function evictionPause(zone: readonly Node[]): number {
  const judged = zone.filter(({ metadata }) => metadata.labels?.[EXCLUDED] === undefined);
  const unready = judged.filter((node) => !isNodeReady(node)).length;
  const isPartial = unready > 2 && unready / judged.length >= UNHEALTHY_PART;
  if (!isPartial || unready === judged.length) return EVICTION_PAUSE_MS;
  return judged.length > SMALL_ZONE_NODES_MAX ? SLOW_EVICTION_PAUSE_MS : Infinity;
}

/** Spaces the nodes of each zone whose pods are evicted. */
export class EvictionPace {
  /** When the last node of a zone was let through. */
  readonly #last = new Map<string, number>();

  /** Lets a node through, with 0, or returns the time after which to ask again. */
  take(node: Node, nodes: readonly Node[], now_ms: number): number {
    for (const [zone, at_ms] of this.#last) {
      if (now_ms - at_ms >= SLOW_EVICTION_PAUSE_MS) this.#last.delete(zone);
    }
    const zone = zoneOf(node);
    const pause_ms = evictionPause(nodes.filter((each) => zoneOf(each) === zone));
    if (pause_ms === Infinity) return EVICTION_PAUSE_MS;
    const wait_ms = (this.#last.get(zone) ?? -Infinity) + pause_ms - now_ms;
    if (wait_ms > 0) return wait_ms;
    this.#last.set(zone, now_ms);
    return 0;
  }
}
