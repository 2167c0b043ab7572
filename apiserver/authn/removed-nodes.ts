import type { TLSSocket } from "node:tls";
import type { ConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { nodeOf } from "@raft2kube/api/node-users.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { BACKDATE_MS, REMOVED_NODES } from "@raft2kube/pki/removed-nodes.ts";
import { own } from "@raft2kube/std/own.ts";
import type { CacheEvent } from "../cache/event.ts";
import type { Resources } from "../resource/resources.ts";
import type { Certified } from "./client-certificate.ts";

const log = logger("apiserver");

/**
 * The nodes that `r2k node remove` removed. A client certificate cannot be revoked otherwise, and a
 * node of the same name that joins later has newer ones.
 */
export class RemovedNodes {
  #removed: Readonly<Record<string, string>> = {};
  /** Connections of nodes' users. */
  readonly #connections = new Map<TLSSocket, Certified>();
  /** Users whose refusal the log has, since the last removal. */
  readonly #logged = new Set<string>();
  #stop: () => void = () => {};

  /** Follows the ConfigMap; resolves once it has been read. */
  static async follow(resources: Resources): Promise<RemovedNodes> {
    const nodes = new RemovedNodes();
    const cache = await resources.of("v1", "configmaps").cache();
    nodes.#stop = cache.subscribe((event) => nodes.#take(event));
    return nodes;
  }

  close(): void {
    this.#stop();
  }

  /**
   * Watches and streams started with a certificate that was good: they end with their connection.
   */
  #take({ type, entry }: CacheEvent): void {
    if (entry.name !== REMOVED_NODES.name || entry.namespace !== REMOVED_NODES.namespace) return;
    const { data = {} } = entry.object<ConfigMap & KubeObject>();
    this.#removed = type === "DELETED" ? {} : data;
    this.#logged.clear();
    for (const [socket, certified] of this.#connections) {
      if (this.#isRemoved(certified)) socket.destroy();
    }
  }

  /** Whether the certificate is of a node that was removed after it was issued. */
  has(certified: Certified): boolean {
    const { user, socket } = certified;
    if (nodeOf(user) === undefined || this.#connections.has(socket)) return false;
    if (this.#isRemoved(certified)) {
      if (!this.#logged.has(user.name)) {
        log.warn("a certificate of a removed node is refused", { user: user.name });
      }
      this.#logged.add(user.name);
      return true;
    }
    if (socket.destroyed) return false;
    this.#connections.set(socket, certified);
    socket.once("close", () => this.#connections.delete(socket));
    return false;
  }

  #isRemoved({ user, from_ms }: Certified): boolean {
    const removed = own(this.#removed, nodeOf(user)?.node ?? "");
    // A time that cannot be read refuses all.
    return removed !== undefined && !(from_ms + BACKDATE_MS >= Date.parse(removed));
  }
}
