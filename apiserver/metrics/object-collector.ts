import { addMetric } from "@raft2kube/observe/families.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Registry as MetricsRegistry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { OBJECT_COUNT_MS } from "../limits.ts";
import type { ResourceMetrics } from "./resource-metrics.ts";
import { type MeasuredResources, type Shared, sharedOf } from "./shared.ts";

const log = logger("apiserver");

/** What a gauge says that could not be found out (upstream's). */
const UNKNOWN = -1;

/** How many objects there are of each resource, and about how large they are. */
export class ObjectCollector {
  readonly #registry: MetricsRegistry;
  readonly #resources: MeasuredResources;
  readonly #clock: Clock;
  /** What the store said of resources that no cache holds, and until when that is good. */
  readonly #counted = new Map<ResourceMetrics, { until_ms: number; count: Promise<number> }>();

  constructor(registry: MetricsRegistry, resources: MeasuredResources, clock: Clock) {
    this.#clock = clock;
    this.#registry = registry;
    this.#resources = resources;
    this.#gauge("apiserver_resource_objects", "Objects stored.",
      ({ group, resource }) => ({ group, resource }));
    this.#gauge("apiserver_storage_objects", "The same, by its older name.",
      ({ group, resource }) => ({ resource: group === "" ? resource : `${resource}.${group}` }));
    const name = "apiserver_resource_size_estimate_bytes";
    const head = { name, help: "Bytes of them as JSON, of what a cache holds.", type: "gauge" };
    addMetric(registry, { ...head, type: "gauge" }, () =>
      sharedOf(resources).flatMap(({ metrics: { group, resource }, caches }) => {
        if (caches.length === 0) return [];
        const value = Math.max(...caches.map(({ bytes }) => bytes));
        return [{ labels: { group, resource }, value }];
      }));
  }

  #gauge(
    name: string,
    help: string,
    labelsOf: (metrics: ResourceMetrics) => Readonly<Record<string, string>>,
  ): void {
    addMetric(this.#registry, { name, help, type: "gauge" }, () =>
      Promise.all(sharedOf(this.#resources).map(async (shared) =>
        ({ labels: labelsOf(shared.metrics), value: await this.#countOf(shared) }))));
  }

  /** A cache knows; else the store is asked, once a minute as upstream does. */
  #countOf(shared: Shared): Promise<number> | number {
    const { metrics, caches } = shared;
    if (caches.length > 0) return Math.max(...caches.map(({ size }) => size));
    const now_ms = this.#clock.monotonic();
    const known = this.#counted.get(metrics);
    if (known && known.until_ms > now_ms) return known.count;
    const count = askStore(shared);
    this.#counted.set(metrics, { until_ms: now_ms + OBJECT_COUNT_MS, count });
    return count;
  }
}

async function askStore({ resource }: Shared): Promise<number> {
  try {
    return await resource.stored();
  } catch (thrown) {
    log.debug("the store does not count", { kind: resource.kind.kind, reason: messageOf(thrown) });
    return UNKNOWN;
  }
}
