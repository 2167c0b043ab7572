import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { addMetric, exponentialBounds, MetricArea } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { zoneOf } from "../node-state.ts";

/** Buckets of the time that a pod outlives its toleration (upstream's), in seconds. */
const DELETION_BOUNDS_S = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240];
const PERCENT = 100;

/** Nodes by zone, and the pods that are removed because of them. */
export class NodeMetrics extends MetricArea {
  /** Pods deleted for a taint, and the seconds from when they had to go to that. */
  readonly taintDeletions = this.counter(
    "taint_eviction_controller_pod_deletions_total",
    "Pods deleted for a taint of their node.",
  ).of();
  readonly taintDeletionDelays = this.histogram(
    "taint_eviction_controller_pod_deletion_duration_seconds",
    "Time from when a pod had to go to its deletion.",
    DELETION_BOUNDS_S,
  ).of();
  readonly #evictions = this.counter(
    "node_collector_evictions_total",
    "Nodes that were given a taint which evicts their pods.",
  );
  readonly #collected = this.counter(
    "pod_gc_collector_force_delete_pods_total",
    "Pods that were deleted because no kubelet would.",
  );
  readonly #notCollected = this.counter(
    "pod_gc_collector_force_delete_pod_errors_total",
    "Such pods whose deletion failed.",
  );
  #nodes: () => readonly Node[] = () => [];
  #isReady: (node: Node) => boolean = () => true;

  constructor(registry: Registry) {
    super(registry);
    this.#showZones(registry);
  }

  /** Shows these nodes by zone. */
  show(nodes: () => readonly Node[], isReady: (node: Node) => boolean): void {
    this.#nodes = nodes;
    this.#isReady = isReady;
  }

  evicted(node: Node): void {
    this.#evictions.of({ zone: zoneOf(node) }).add();
  }

  collected(namespace: string, reason: string, isDeleted: boolean): void {
    (isDeleted ? this.#collected : this.#notCollected).of({ namespace, reason }).add();
  }

  #showZones(registry: Registry): void {
    const gauge = (last: string, help: string, value: (size: number, ready: number) => number) =>
      addMetric(registry, { name: `node_collector_${last}`, help, type: "gauge" }, () =>
        [...Map.groupBy(this.#nodes(), zoneOf)].map(([zone, nodes]) => {
          const ready = nodes.filter(this.#isReady).length;
          return { labels: { zone }, value: value(nodes.length, ready) };
        }),
      );
    gauge("zone_size", "Nodes of each zone.", (size) => size);
    gauge(
      "zone_health",
      "Share of ready nodes, in percent.",
      (size, ready) => (ready * PERCENT) / size,
    );
    gauge("unhealthy_nodes_in_zone", "Nodes that are not ready.", (size, ready) => size - ready);
  }
}

/** One range that nodes' ranges are cut from. */
type CutRange = { readonly text: string; readonly parts: bigint };

const ipamName = (metric: string): string => `node_ipam_controller_${metric}`;

/** The pod ranges of nodes, by the range that they are cut from. */
export class NodeIpamMetrics extends MetricArea {
  readonly #allocations = this.counter(
    ipamName("cidrset_cidrs_allocations_total"),
    "Allocated ranges.",
  );
  readonly #releases = this.counter(ipamName("cidrset_cidrs_releases_total"), "Released ranges.");
  readonly #tries = this.histogram(
    ipamName("cidrset_allocation_tries_per_request"),
    "Ranges in use that an allocation passed.",
    exponentialBounds(1, 5, 5),
  );
  /** Parts in use, by node and range. */
  readonly #used = new Map<string, readonly string[]>();
  #ranges: readonly CutRange[] = [];

  constructor(registry: Registry) {
    super(registry);
    const gauge = (last: string, help: string, value: (range: CutRange) => number) =>
      addMetric(registry, { name: ipamName(last), help, type: "gauge" }, () =>
        this.#ranges.map((range) => ({ labels: { clusterCIDR: range.text }, value: value(range) })),
      );
    // As upstream spells it.
    gauge("cirdset_max_cidrs", "Ranges that there are.", ({ parts }) => Number(parts));
    gauge(
      "cidrset_usage_cidrs",
      "Share of the ranges that is in use.",
      ({ text, parts }) =>
        [...this.#used.values()].filter((each) => each.includes(text)).length / Number(parts),
    );
  }

  show(ranges: readonly CutRange[]): void {
    this.#ranges = ranges;
  }

  /** An allocation skipped `passed` ranges that are in use. */
  tried({ text }: CutRange, passed: number): void {
    this.#tries.of({ clusterCIDR: text }).observe(passed);
  }

  /** A node has a part of each of these ranges: counted once. */
  taken(node: string, ranges: readonly CutRange[]): void {
    if (this.#used.has(node)) return;
    this.#used.set(
      node,
      ranges.map(({ text }) => text),
    );
    for (const { text } of ranges) this.#allocations.of({ clusterCIDR: text }).add();
  }

  released(node: string): void {
    for (const text of this.#used.get(node) ?? []) this.#releases.of({ clusterCIDR: text }).add();
    this.#used.delete(node);
  }
}
