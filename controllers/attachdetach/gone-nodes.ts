import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { GONE_NODES_MAX } from "../limits.ts";

/** The volumes that nodes had in use when their objects were deleted. */
export class GoneNodes {
  readonly #inUse = new Map<string, ReadonlySet<string>>();

  remember(node: Node): void {
    const name = keyOf(node);
    this.#inUse.delete(name);
    this.#inUse.set(name, new Set(node.status?.volumesInUse ?? []));
    const [oldest] = this.#inUse.keys();
    if (this.#inUse.size > GONE_NODES_MAX && oldest !== undefined) this.#inUse.delete(oldest);
  }

  forget(name: string): void {
    this.#inUse.delete(name);
  }

  /** Whether a node may have a volume mounted: one that nothing is known of may. */
  mayUse(name: string, volume: string): boolean {
    return this.#inUse.get(name)?.has(volume) ?? true;
  }
}
