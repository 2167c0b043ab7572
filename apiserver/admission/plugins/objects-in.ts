import type { Clock } from "@raft2kube/std/clock.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import { entryOfRow } from "../../cache/entry-of-row.ts";
import { EMPTY_NAMESPACE_MS, EMPTY_NAMESPACES_MAX, STORE_PAGE_KEYS } from "../../limits.ts";
import type { Entry } from "../../object/entry.ts";
import type { Resource } from "../../resource/resource.ts";
import { prefixOf } from "../../storage/keys.ts";
import type { AdmissionRequest } from "../plugin.ts";

/** Whether a namespace that the cache has no objects of is empty, valid until `until_ms`. */
type Belief = { until_ms: number; empty: boolean };

/**
 * Finds the objects of a namespace in the cache, else in the store: the cache may lag behind a
 * creation. An empty answer of the store is cached for 30 s (as upstream's LimitRanger and
 * ResourceQuota do), so that not every pod costs a read; it is not used while an object is being
 * created through this server.
 */
export class ObjectsIn {
  readonly #resource: Resource;
  readonly #clock: Clock;
  /** Cached answers by namespace. */
  readonly #beliefs = new RecentMap<string, Belief>(EMPTY_NAMESPACES_MAX);

  constructor(resource: Resource, clock: Clock) {
    this.#resource = resource;
    this.#clock = clock;
  }

  /** Looks at a request on its way: from now on its namespace may have one. */
  watch({ operation, resource, namespace }: AdmissionRequest): void {
    if (resource === this.#resource && operation === "CREATE") this.#believe(namespace, false);
  }

  async of(namespace: string): Promise<readonly Entry[]> {
    const all = (await this.#resource.cache()).list();
    const cached = all.filter((entry) => entry.namespace === namespace);
    if (cached.length > 0) return cached;
    const belief = this.#beliefs.get(namespace);
    const holds = belief !== undefined && belief.until_ms > this.#clock.now();
    if (holds && belief.empty) return [];
    const { kind, store } = this.#resource;
    const prefix = prefixOf(kind, namespace);
    const { rows } = await store.rows.page(prefix, { limit: STORE_PAGE_KEYS });
    const unchanged = this.#beliefs.get(namespace) === belief;
    if (rows.length === 0 && !holds && unchanged) this.#believe(namespace, true);
    return rows.map((row) => entryOfRow(kind, row));
  }

  #believe(namespace: string, empty: boolean): void {
    this.#beliefs.set(namespace, { until_ms: this.#clock.now() + EMPTY_NAMESPACE_MS, empty });
  }
}
