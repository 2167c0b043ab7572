import type { Kind } from "@raft2kube/api/kind.ts";
import type { ResourceMetrics, WatchMetrics } from "./resource-metrics.ts";

/** A watch cache, as far as its gauges read it. */
export interface MeasuredCache {
  readonly bytes: number;
  readonly size: number;
  readonly historyBytes: number;
  readonly revision: number;
  readonly eventsSent: number;
}

/** A kind that is served, as far as it is measured. */
export interface MeasuredResource {
  readonly kind: Kind;
  readonly metrics: ResourceMetrics;
  readonly watched: WatchMetrics;
  readonly startedCache: MeasuredCache | undefined;
  /** Counts the objects in the store. */
  stored(): Promise<number>;
}

/** All kinds that are served. */
export interface MeasuredResources {
  all(): Iterable<MeasuredResource>;
}

/** The versions of one stored resource. */
export interface Shared {
  /** Counters that the resource's versions share. */
  readonly metrics: ResourceMetrics;
  /** One of them. */
  readonly resource: MeasuredResource;
  /** The resource's caches that were started. */
  readonly caches: readonly MeasuredCache[];
}

/** All that is stored, each once. */
export function sharedOf(resources: MeasuredResources): Shared[] {
  const shared = new Map<ResourceMetrics, Shared>();
  for (const resource of resources.all()) {
    const { metrics, startedCache, kind } = resource;
    if (kind.served !== "stored") continue;
    const known = shared.get(metrics) ?? { metrics, resource, caches: [] };
    const caches = startedCache ? [...known.caches, startedCache] : known.caches;
    shared.set(metrics, { ...known, caches });
  }
  return [...shared.values()];
}
