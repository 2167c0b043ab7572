import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import { GONE_NODES_MAX } from "../limits.ts";

/** The volumes that nodes had in use when their objects were deleted. */
export class GoneNodes {
  readonly #inUse = new RecentMap<string, ReadonlySet<string>>(GONE_NODES_MAX);

  remember(node: Node): void {
    this.#inUse.set(keyOf(node), new Set(node.status?.volumesInUse ?? []));
  }

  forget(name: string): void {
    this.#inUse.delete(name);
  }

  /** Whether a node may have a volume mounted: one that nothing is known of may. */
  mayUse(name: string, volume: string): boolean {
    return this.#inUse.get(name)?.has(volume) ?? true;
  }
}
