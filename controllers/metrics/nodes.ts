import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { addMetric, MetricArea } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { zoneOf } from "../node-state.ts";

const PERCENT = 100;

/** Nodes by zone, and those that lose their pods. */
export class NodeMetrics extends MetricArea {
  readonly #evictions = this.counter(
    "node_collector_evictions_total",
    "Nodes that were given a taint which evicts their pods.",
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
