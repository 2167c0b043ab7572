import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";

/** Nodes as the informer shows them or, where that is later, as they were written here last. */
export class NewestNodes {
  readonly #seen: (name: string) => Node | undefined;
  readonly #written = new Map<string, Node>();

  constructor(seen: (name: string) => Node | undefined) {
    this.#seen = seen;
  }

  get(name: string): Node | undefined {
    const seen = this.#seen(name);
    const written = this.#written.get(name);
    const isNewer =
      seen &&
      written &&
      seen.metadata.uid === written.metadata.uid &&
      Number(written.metadata.resourceVersion) > Number(seen.metadata.resourceVersion);
    if (!isNewer) this.#written.delete(name);
    return isNewer ? written : seen;
  }

  /** A node that was deleted meanwhile is not kept: no event would remove it. */
  wrote(node: Node): void {
    const { name } = nameOf(node);
    if (this.#seen(name)?.metadata.uid === node.metadata.uid) this.#written.set(name, node);
  }

  /** The node is deleted. */
  forget(name: string): void {
    this.#written.delete(name);
  }

  /** Number of written nodes that are kept. */
  get kept(): number {
    return this.#written.size;
  }
}
