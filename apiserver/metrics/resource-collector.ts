import { addMetric, type Count, type Sample, type Spread } from "@raft2kube/observe/families.ts";
import type { Registry as MetricsRegistry } from "@raft2kube/observe/metrics.ts";
import { HISTORY_EVENTS_MAX } from "../limits.ts";
import {
  type CacheMetrics,
  type ResourceMetrics,
  STORE_OPERATIONS,
  type StoreCalls,
  type StoreMetrics,
} from "./resource-metrics.ts";
import {
  type MeasuredResource,
  type MeasuredResources,
  type Shared,
  sharedOf,
} from "./shared.ts";

type Labels = Readonly<Record<string, string>>;

/**
 * Shows what each resource counts, in the store and in the watch cache. Resources add to plain
 * numbers; labels are put on when somebody looks (upstream: storage/etcd3/metrics, cacher/metrics).
 */
export class ResourceCollector {
  readonly #registry: MetricsRegistry;
  readonly #resources: MeasuredResources;
  readonly #others: ReadonlyMap<string, StoreMetrics>;

  /** `others` are things in the store that are no resources, by upstream's names. */
  constructor(
    registry: MetricsRegistry,
    resources: MeasuredResources,
    others: ReadonlyMap<string, StoreMetrics>,
  ) {
    this.#registry = registry;
    this.#resources = resources;
    this.#others = others;
    this.#exposeCalls();
    this.#exposeStore();
    this.#exposeCaches();
    this.#exposeWatches();
  }

  #exposeCalls(): void {
    this.#calls("etcd_requests_total", "Calls to the store.", (calls) => calls.requests);
    this.#calls("etcd_request_errors_total", "Calls that failed.", (calls) => calls.errors);
    const name = "etcd_request_duration_seconds";
    const head = { name, help: "Time of calls to the store.", type: "histogram" } as const;
    addMetric(this.#registry, head, () => this.#allCalls().flatMap(({ labels, calls }) =>
      calls.durations.samples(name, labels)));
  }

  #calls(
    name: string,
    help: string,
    read: (calls: StoreCalls) => Count,
  ): void {
    addMetric(this.#registry, { name, help, type: "counter" }, () =>
      this.#allCalls().flatMap(({ labels, calls }) => {
        const { value } = read(calls);
        return value === 0 ? [] : [{ labels, value }];
      }));
  }

  /** All operations that there were. */
  #allCalls() {
    return this.#stored().flatMap(({ labels, store }) =>
      STORE_OPERATIONS.flatMap((operation) => {
        const calls = store.calls[operation];
        if (calls.requests.value === 0) return [];
        return [{ labels: { ...labels, operation }, calls }];
      }));
  }

  #stored(): { labels: Labels; store: StoreMetrics }[] {
    const others = [...this.#others].map(([resource, store]) =>
      ({ labels: { group: "", resource }, store }));
    return [
      ...sharedOf(this.#resources).map(({ metrics }) =>
        ({ labels: labelsOf(metrics), store: metrics.store })),
      ...others,
    ];
  }

  #exposeStore(): void {
    const counter = (name: string, help: string, read: (store: StoreMetrics) => Count) =>
      addMetric(this.#registry, { name, help, type: "counter" }, () =>
        sharedOf(this.#resources).map(({ metrics }) =>
          ({ labels: labelsOf(metrics), value: read(metrics.store).value })));
    const list = (what: string, help: string, read: (store: StoreMetrics) => Count) =>
      counter(`apiserver_storage_list_${what}`, help, read);
    list("total", "Lists made from the store.", (store) => store.lists);
    list("fetched_objects_total", "Objects read for that.", (store) => store.listFetched);
    list("evaluated_objects_total", "Objects of them that were looked at.",
      (store) => store.listFetched);
    list("returned_objects_total", "Objects of them that a client got.",
      (store) => store.listReturned);
    counter("apiserver_storage_decode_errors_total", "Values that were no objects.",
      (store) => store.decodeErrors);
    counter("apiserver_storage_events_received_total", "Events of the store's watches.",
      (store) => store.events);
    counter("etcd_bookmark_total", "Notices of progress of the store's watches.",
      (store) => store.bookmarks);
    const head = { name: "etcd_bookmark_counts", help: "The same, by its older name." };
    addMetric(this.#registry, { ...head, type: "gauge" }, () =>
      sharedOf(this.#resources).map(({ metrics }) =>
        ({ labels: labelsOf(metrics), value: metrics.store.bookmarks.value })));
    const name = "etcd_lease_object_counts";
    const help = "Objects that one lease of the store was given to.";
    addMetric(this.#registry, { name, help, type: "histogram" }, () => sharedOf(this.#resources)
      .filter(({ metrics }) => metrics.resource === "events")
      .flatMap(({ metrics }) => metrics.store.leaseObjects.samples(name, {})));
  }

  #exposeCaches(): void {
    const counter = (name: string, help: string, read: (shared: Shared) => number) =>
      this.#ofCaches(name, help, "counter", (shared) =>
        [{ labels: labelsOf(shared.metrics), value: read(shared) }]);
    const watch = (what: string, help: string, read: (metrics: CacheMetrics) => Count) =>
      counter(`apiserver_${what}`, help, ({ metrics }) => read(metrics.cache).value);
    watch("watch_cache_initializations_total", "Listings taken over whole.",
      (cache) => cache.initializations);
    watch("watch_cache_events_dispatched_total", "Events offered to watchers.",
      (cache) => cache.dispatched);
    counter("apiserver_watch_cache_events_received_total", "Events taken from the store's watch.",
      ({ metrics }) => metrics.store.events.value);
    watch("init_events_total", "Objects that watches began with.", (cache) => cache.initial);
    watch("terminated_watchers_total", "Watchers closed because they did not read.",
      (cache) => cache.terminated);
    watch("cache_list_returned_objects_total", "Objects that lists from the cache gave.",
      (cache) => cache.listReturned);
    const indexed = (what: string, help: string, read: (metrics: CacheMetrics) => Count) =>
      this.#ofCaches(`apiserver_cache_list_${what}`, help, "counter", ({ metrics }) =>
        [{ labels: { ...labelsOf(metrics), index: "" }, value: read(metrics.cache).value }]);
    indexed("total", "Lists made from the cache.", (cache) => cache.lists);
    indexed("fetched_objects_total", "Objects looked at for that.", (cache) => cache.listFetched);
    this.#ofCaches("apiserver_watch_cache_consistent_read_total",
      "Reads that had to be newest, from the cache or from the store instead.", "counter",
      ({ metrics }) => [true, false].flatMap((success) => {
        const { value } = success ? metrics.cache.consistent : metrics.cache.consistentByStore;
        const labels = { success: String(success), fallback: String(!success) };
        return value === 0 ? [] : [{ labels: { ...labelsOf(metrics), ...labels }, value }];
      }));
    const waits = "apiserver_watch_cache_read_wait_seconds";
    this.#ofCaches(waits, "Time until a cache was as new as a read needed.", "histogram",
      ({ metrics }) => metrics.cache.readWaits.samples(waits, labelsOf(metrics)));
    this.#ofCaches("watch_cache_capacity", "Events that a cache remembers at most.", "gauge",
      ({ metrics }) => [{ labels: labelsOf(metrics), value: HISTORY_EVENTS_MAX }]);
    this.#ofCaches("r2k_watch_cache_bytes", "Objects in a cache, as JSON.", "gauge",
      ({ metrics, caches }) =>
        [{ labels: labelsOf(metrics), value: sum(caches, ({ bytes }) => bytes) }]);
    this.#ofCaches("r2k_watch_history_bytes", "What a cache's remembered events take.", "gauge",
      ({ metrics, caches }) =>
        [{ labels: labelsOf(metrics), value: sum(caches, ({ historyBytes }) => historyBytes) }]);
    this.#ofCaches("apiserver_watch_cache_resource_version", "The newest revision in the cache.",
      "gauge", ({ metrics, caches }) => {
        const value = Math.max(...caches.map(({ revision }) => revision));
        return [{ labels: labelsOf(metrics), value }];
      });
  }

  #exposeWatches(): void {
    this.#ofWatched("apiserver_watch_events_total", "Events sent to watchers.", "counter",
      ({ startedCache }, labels) => [{ labels, value: startedCache!.eventsSent }]);
    const sizes = "apiserver_watch_events_sizes";
    this.#ofWatched(sizes, "Bytes of events sent to watchers.", "histogram",
      ({ watched }, labels) => watched.sizes.samples(sizes, labels));
    const lists = "apiserver_watch_list_duration_seconds";
    const samplesOf = (spreads: ReadonlyMap<string, Spread>, labels: Labels) =>
      [...spreads].flatMap(([scope, spread]) => spread.samples(lists, { ...labels, scope }));
    this.#ofWatched(lists, "Time until a watch has told all the objects it begins with.",
      "histogram", ({ watched }, labels) => samplesOf(watched.lists, labels));
  }

  /** A metric with samples of each resource that has a cache. */
  #ofCaches(
    name: string,
    help: string,
    type: "counter" | "gauge" | "histogram",
    read: (shared: Shared) => Sample[],
  ): void {
    addMetric(this.#registry, { name, help, type }, () =>
      sharedOf(this.#resources).filter(({ caches }) => caches.length > 0).flatMap(read));
  }

  /** The same for each version of it. */
  #ofWatched(
    name: string,
    help: string,
    type: "counter" | "histogram",
    read: (resource: MeasuredResource, labels: Labels) => Sample[],
  ): void {
    addMetric(this.#registry, { name, help, type }, () =>
      [...this.#resources.all()].flatMap((resource) => {
        if (resource.startedCache === undefined) return [];
        const { group, version, plural } = resource.kind;
        return read(resource, { group, version, resource: plural });
      }));
  }
}

function labelsOf({ group, resource }: ResourceMetrics): Labels {
  return { group, resource };
}

function sum<T>(items: readonly T[], read: (item: T) => number): number {
  return items.reduce((total, item) => total + read(item), 0);
}
