import type { Endpoint, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import {
  addMetric, type CounterFamily, exponentialBounds, familiesOf, type HistogramFamily,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";

interface Kept {
  slices: number;
  endpoints: number;
}

/** One Service's slices before and after a look at it. */
export interface SlicesChange {
  before: readonly EndpointSlice[];
  create: readonly EndpointSlice[];
  update: readonly EndpointSlice[];
  delete: readonly EndpointSlice[];
}

/** The EndpointSlices of Services with a selector. */
export class EndpointSliceMetrics {
  readonly #kept = new Map<string, Kept>();
  readonly #changes: CounterFamily;
  readonly #syncs: CounterFamily;
  readonly #added: HistogramFamily;
  readonly #removed: HistogramFamily;

  constructor(registry: Registry) {
    const { counter, histogram } = familiesOf(registry);
    const name = (last: string) => `endpoint_slice_controller_${last}`;
    const bounds = exponentialBounds(2, 2, 15);
    this.#changes = counter(name("changes"), "Writes of EndpointSlices.");
    this.#syncs = counter(name("syncs"), "Looks at Services.");
    this.#added = histogram(name("endpoints_added_per_sync"),
      "Endpoints that a look added.", bounds);
    this.#removed = histogram(name("endpoints_removed_per_sync"),
      "Endpoints that a look removed.", bounds);
    const gauge = (last: string, help: string, value: (kept: Kept) => number) =>
      addMetric(registry, { name: name(last), help, type: "gauge" }, () => {
        const all = [...this.#kept.values()];
        return [{ labels: {}, value: all.reduce((sum, each) => sum + value(each), 0) }];
      });
    gauge("num_endpoint_slices", "EndpointSlices.", ({ slices }) => slices);
    gauge("endpoints_desired", "Endpoints.", ({ endpoints }) => endpoints);
  }

  synced(result: "success" | "stale" | "error"): void {
    this.#syncs.of({ result }).add();
  }

  changed(service: string, { before, create, update, delete: gone }: SlicesChange): void {
    for (const [operation, some] of Object.entries({ create, update, delete: gone })) {
      if (some.length > 0) this.#changes.of({ operation }).add(some.length);
    }
    const rewritten = new Set([...update, ...gone].map(({ metadata }) => metadata.uid));
    const kept = before.filter(({ metadata }) => !rewritten.has(metadata.uid));
    const after = [...kept, ...update, ...create];
    const old = addressesOf(before);
    const now = addressesOf(after);
    this.#added.of().observe([...now].filter((each) => !old.has(each)).length);
    this.#removed.of().observe([...old].filter((each) => !now.has(each)).length);
    this.#kept.set(service, { slices: after.length, endpoints: now.size });
  }

  forget(service: string): void {
    this.#kept.delete(service);
  }
}

const addressesOf = (slices: readonly EndpointSlice[]): Set<string> =>
  new Set(slices.flatMap(({ endpoints }) => (endpoints ?? []) as Endpoint[])
    .map(({ addresses }) => addresses[0] ?? ""));
