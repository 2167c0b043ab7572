import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { type DiscoveredResource, discover } from "@raft2kube/client-kube/rest/discovery.ts";
import { SCALABLE_KINDS_MS } from "./limits.ts";

/**
 * Maps kinds to resources whose `/scale` is read, in the preferred version of their group.
 * Discovery is asked at most every SCALABLE_KINDS_MS, for found and unknown kinds alike: objects
 * of any tenant may name kinds that do not exist, and versions come and go.
 */
export class ScalableKinds {
  readonly #client: KubeClient;
  #known: Promise<readonly DiscoveredResource[]> | undefined;
  #until_ms = 0;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /**
   * The resource of a kind; undefined for unknown ones. It is always addressed in a namespace, as
   * by upstream's scale client: an object in a namespace must not lead to one of the cluster.
   */
  async find(group: string, kind: string): Promise<DiscoveredResource | undefined> {
    const found = (await this.#discovered()).find(
      (each) => each.group === group && each.kind === kind,
    );
    return found && { ...found, namespaced: true };
  }

  #discovered(): Promise<readonly DiscoveredResource[]> {
    const now_ms = this.#client.clock.monotonic();
    if (this.#known && now_ms < this.#until_ms) return this.#known;
    const asked = discover(this.#client);
    this.#known = asked;
    this.#until_ms = now_ms + SCALABLE_KINDS_MS;
    asked.catch(() => {
      if (this.#known === asked) this.#known = undefined;
    });
    return asked;
  }
}
