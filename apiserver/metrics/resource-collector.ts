import { addMetric, type Histogram, type Sample } from "@raft2kube/observe/families.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { HISTORY_EVENTS_MAX, OBJECT_COUNT_MS } from "../limits.ts";
import { type Labels, typeOf } from "./families.ts";
import {
  type CacheMetrics,
  type ResourceMetrics,
  STORE_OPERATIONS,
  type StoreMetrics,
} from "./resource-metrics.ts";
import { type MeasuredResource, type MeasuredResources, type Shared, sharedOf } from "./shared.ts";

const log = logger("apiserver");

/** Metrics with one sample of each resource. */
type Declared<T> = Readonly<Record<string, readonly [help: string, value: (of: T) => number]>>;

/** Metrics of each resource in the store (upstream: storage/etcd3/metrics). */
const STORED: Declared<StoreMetrics> = {
  apiserver_storage_list_total: ["Lists made from the store.", ({ lists }) => lists.value],
  apiserver_storage_list_fetched_objects_total: [
    "Objects read for that.",
    ({ listFetched }) => listFetched.value,
  ],
  apiserver_storage_list_evaluated_objects_total: [
    "Objects of them that were looked at.",
    ({ listFetched }) => listFetched.value,
  ],
  apiserver_storage_list_returned_objects_total: [
    "Objects of them that a client got.",
    ({ listReturned }) => listReturned.value,
  ],
  apiserver_storage_decode_errors_total: [
    "Values that were no objects.",
    ({ decodeErrors }) => decodeErrors.value,
  ],
  apiserver_storage_events_received_total: [
    "Events of the store's watches.",
    ({ events }) => events.value,
  ],
  etcd_bookmark_total: [
    "Notices of progress of the store's watches.",
    ({ bookmarks }) => bookmarks.value,
  ],
  etcd_bookmark_counts: ["The same, by its older name.", ({ bookmarks }) => bookmarks.value],
};

/** Metrics of each resource with a cache (upstream: storage/cacher/metrics). */
const CACHED: Declared<Shared> = {
  apiserver_watch_cache_initializations_total: [
    "Listings taken over whole.",
    ({ metrics }) => metrics.cache.initializations.value,
  ],
  apiserver_watch_cache_events_dispatched_total: [
    "Events offered to watchers.",
    ({ metrics }) => metrics.cache.dispatched.value,
  ],
  apiserver_watch_cache_events_received_total: [
    "Events taken from the store's watch.",
    ({ metrics }) => metrics.store.events.value,
  ],
  apiserver_init_events_total: [
    "Objects that watches began with.",
    ({ metrics }) => metrics.cache.initial.value,
  ],
  apiserver_terminated_watchers_total: [
    "Watchers closed because they did not read.",
    ({ metrics }) => metrics.cache.terminated.value,
  ],
  apiserver_cache_list_returned_objects_total: [
    "Objects that lists from the cache gave.",
    ({ metrics }) => metrics.cache.listReturned.value,
  ],
  watch_cache_capacity: ["Events that a cache remembers at most.", () => HISTORY_EVENTS_MAX],
  r2k_watch_cache_bytes: [
    "Objects in a cache, as JSON.",
    ({ caches }) => sum(caches.map(({ bytes }) => bytes)),
  ],
  r2k_watch_history_bytes: [
    "What a cache's remembered events take.",
    ({ caches }) => sum(caches.map(({ historyBytes }) => historyBytes)),
  ],
  apiserver_watch_cache_resource_version: [
    "The newest revision in the cache.",
    ({ caches }) => Math.max(...caches.map(({ revision }) => revision)),
  ],
  apiserver_resource_size_estimate_bytes: [
    "Bytes of objects as JSON, of what a cache holds.",
    ({ caches }) => Math.max(...caches.map(({ bytes }) => bytes)),
  ],
};

/** The same with the label `index`, which is empty: no cache here has one. */
const INDEXED: Declared<CacheMetrics> = {
  apiserver_cache_list_total: ["Lists made from the cache.", ({ lists }) => lists.value],
  apiserver_cache_list_fetched_objects_total: [
    "Objects looked at for that.",
    ({ listFetched }) => listFetched.value,
  ],
};

/**
 * Shows what each resource counts, in the store and in the watch cache. Resources add to plain
 * numbers; labels are put on at a scrape. `others` are things in the store that are no resources,
 * by upstream's names.
 */
export function showResources(
  registry: Registry,
  resources: MeasuredResources,
  others: ReadonlyMap<string, StoreMetrics>,
  clock: Clock,
): void {
  const stored = () => sharedOf(resources);
  const cached = () => stored().filter(({ caches }) => caches.length > 0);
  for (const [name, [help, value]] of Object.entries(STORED)) {
    addMetric(registry, { name, type: typeOf(name), help }, () =>
      stored().map(({ metrics }) => ({ labels: labelsOf(metrics), value: value(metrics.store) })),
    );
  }
  for (const [name, [help, value]] of Object.entries(CACHED)) {
    addMetric(registry, { name, type: typeOf(name), help }, () =>
      cached().map((shared) => ({ labels: labelsOf(shared.metrics), value: value(shared) })),
    );
  }
  for (const [name, [help, value]] of Object.entries(INDEXED)) {
    addMetric(registry, { name, type: typeOf(name), help }, () =>
      cached().map(({ metrics }) => ({
        labels: { ...labelsOf(metrics), index: "" },
        value: value(metrics.cache),
      })),
    );
  }
  addMetric(
    registry,
    {
      name: "apiserver_watch_cache_consistent_read_total",
      type: "counter",
      help: "Reads that had to be newest, from the cache or from the store instead.",
    },
    () => cached().flatMap(({ metrics }) => consistentReads(metrics)),
  );
  const histogram = (name: string, help: string, read: (name: string) => Sample[]) =>
    addMetric(registry, { name, type: "histogram", help }, () => read(name));
  histogram(
    "apiserver_watch_cache_read_wait_seconds",
    "Time until a cache was as new as a read needed.",
    (name) =>
      cached().flatMap(({ metrics }) => metrics.cache.readWaits.samples(name, labelsOf(metrics))),
  );
  histogram(
    "etcd_lease_object_counts",
    "Objects that one lease of the store was given to.",
    (name) =>
      stored()
        .filter(({ metrics }) => metrics.resource === "events")
        .flatMap(({ metrics }) => metrics.store.leaseObjects.samples(name, {})),
  );
  showCalls(registry, resources, others);
  showWatches(registry, resources);
  showObjects(registry, resources, clock);
}

function consistentReads(metrics: ResourceMetrics): Sample[] {
  return [true, false].flatMap((success) => {
    const { value } = success ? metrics.cache.consistent : metrics.cache.consistentByStore;
    const labels = { success: String(success), fallback: String(!success) };
    return value === 0 ? [] : [{ labels: { ...labelsOf(metrics), ...labels }, value }];
  });
}

/** The calls to the store, of operations that there were. */
function showCalls(
  registry: Registry,
  resources: MeasuredResources,
  others: ReadonlyMap<string, StoreMetrics>,
): void {
  const stored = () => [
    ...sharedOf(resources).map(({ metrics }) => ({
      labels: labelsOf(metrics),
      store: metrics.store,
    })),
    ...[...others].map(([resource, store]) => ({ labels: { group: "", resource }, store })),
  ];
  const calls = () =>
    stored().flatMap(({ labels, store }) =>
      STORE_OPERATIONS.map((operation) => ({
        labels: { ...labels, operation },
        calls: store.calls[operation],
      })).filter(({ calls }) => calls.requests.value > 0),
    );
  const counter = (name: string, help: string, of: "requests" | "errors") =>
    addMetric(registry, { name, type: "counter", help }, () =>
      calls()
        .map(({ labels, calls }) => ({ labels, value: calls[of].value }))
        .filter(({ value }) => value > 0),
    );
  counter("etcd_requests_total", "Calls to the store.", "requests");
  counter("etcd_request_errors_total", "Calls that failed.", "errors");
  const name = "etcd_request_duration_seconds";
  addMetric(registry, { name, type: "histogram", help: "Time of calls to the store." }, () =>
    calls().flatMap(({ labels, calls }) => calls.durations.samples(name, labels)),
  );
}

/** The events sent to watchers, for each version of a resource. */
function showWatches(registry: Registry, resources: MeasuredResources): void {
  const watched = (
    name: string,
    type: "counter" | "histogram",
    help: string,
    read: (resource: MeasuredResource, labels: Labels, name: string) => Sample[],
  ) =>
    addMetric(registry, { name, type, help }, () =>
      [...resources.all()].flatMap((resource) => {
        if (resource.startedCache === undefined) return [];
        const { group, version, plural } = resource.kind;
        return read(resource, { group, version, resource: plural }, name);
      }),
    );
  watched(
    "apiserver_watch_events_total",
    "counter",
    "Events sent to watchers.",
    ({ startedCache }, labels) => [{ labels, value: startedCache!.eventsSent }],
  );
  watched(
    "apiserver_watch_events_sizes",
    "histogram",
    "Bytes of events sent to watchers.",
    ({ watched }, labels, name) => watched.sizes.samples(name, labels),
  );
  const samplesOf = (histograms: [string, Histogram][], labels: Labels, name: string) =>
    histograms.flatMap(([scope, histogram]) => histogram.samples(name, { ...labels, scope }));
  watched(
    "apiserver_watch_list_duration_seconds",
    "histogram",
    "Time until a watch has sent all the objects it begins with.",
    ({ watched }, labels, name) => samplesOf(watched.lists, labels, name),
  );
}

/** The value of a gauge that could not be read (upstream's). */
const UNKNOWN = -1;

/** How many objects there are of each resource: a cache knows; else the store is asked. */
function showObjects(registry: Registry, resources: MeasuredResources, clock: Clock): void {
  /** The store's counts, and until when they are used: they are read once a minute, as upstream. */
  const counted = new WeakMap<ResourceMetrics, { until_ms: number; count: Promise<number> }>();
  const countOf = (shared: Shared): Promise<number> | number => {
    const { metrics, caches } = shared;
    if (caches.length > 0) return Math.max(...caches.map(({ size }) => size));
    const now_ms = clock.monotonic();
    const known = counted.get(metrics);
    if (known && known.until_ms > now_ms) return known.count;
    const count = askStore(shared);
    counted.set(metrics, { until_ms: now_ms + OBJECT_COUNT_MS, count });
    return count;
  };
  const gauge = (name: string, help: string, labels: (metrics: ResourceMetrics) => Labels) =>
    addMetric(registry, { name, type: "gauge", help }, () =>
      Promise.all(
        sharedOf(resources).map(async (shared) => ({
          labels: labels(shared.metrics),
          value: await countOf(shared),
        })),
      ),
    );
  gauge("apiserver_resource_objects", "Objects stored.", labelsOf);
  gauge("apiserver_storage_objects", "The same, by its older name.", ({ group, resource }) => ({
    resource: group === "" ? resource : `${resource}.${group}`,
  }));
}

async function askStore({ resource }: Shared): Promise<number> {
  try {
    return await resource.stored();
  } catch (thrown) {
    log.debug("the store does not count", { kind: resource.kind.kind, reason: messageOf(thrown) });
    return UNKNOWN;
  }
}

const labelsOf = ({ group, resource }: ResourceMetrics) => ({ group, resource });

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);
