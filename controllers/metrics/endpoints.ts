import type { Endpoint, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import {
  addMetric,
  type CounterFamily,
  DEFAULT_BOUNDS_S,
  exponentialBounds,
  type HistogramFamily,
  MetricArea,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { ENDPOINTS_PER_SLICE_MAX } from "../limits.ts";

interface Kept {
  slices: number;
  /** Slices that would do if each were full. */
  desired: number;
  endpoints: number;
}

/** One Service's slices before and after a look at it. */
export interface SlicesChange {
  before: readonly EndpointSlice[];
  create: readonly EndpointSlice[];
  update: readonly EndpointSlice[];
  delete: readonly EndpointSlice[];
}

const PER_SYNC = exponentialBounds(2, 2, 15);

/** The metrics of both controllers of EndpointSlices. */
class SliceMetrics extends MetricArea {
  protected readonly prefix: string;
  readonly #kept = new Map<string, Kept>();
  readonly #changes: CounterFamily;
  readonly #added: HistogramFamily;
  readonly #removed: HistogramFamily;

  constructor(registry: Registry, prefix: string) {
    super(registry);
    this.prefix = prefix;
    this.#changes = this.counter(`${prefix}_changes`, "Writes of EndpointSlices.");
    this.#added = this.histogram(
      `${prefix}_endpoints_added_per_sync`,
      "Endpoints that a look added.",
      PER_SYNC,
    );
    this.#removed = this.histogram(
      `${prefix}_endpoints_removed_per_sync`,
      "Endpoints that a look removed.",
      PER_SYNC,
    );
    this.#sum("num_endpoint_slices", "EndpointSlices.", ({ slices }) => slices);
    this.#sum(
      "desired_endpoint_slices",
      "EndpointSlices that would do if each were full.",
      ({ desired }) => desired,
    );
    this.#sum("endpoints_desired", "Endpoints.", ({ endpoints }) => endpoints);
  }

  #sum(last: string, help: string, value: (kept: Kept) => number): void {
    addMetric(this.registry, { name: `${this.prefix}_${last}`, help, type: "gauge" }, () => {
      const all = [...this.#kept.values()];
      return [{ labels: {}, value: all.reduce((sum, each) => sum + value(each), 0) }];
    });
  }

  /** Counts a look; returns the slices that there are after it. */
  changed(service: string, { before, create, update, delete: gone }: SlicesChange) {
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
    const desired = desiredSlices(after);
    this.#kept.set(service, { slices: after.length, desired, endpoints: now.size });
    return after;
  }

  forget(service: string): void {
    this.#kept.delete(service);
  }
}

/** How hints of a Service come about: labels of its changes. */
export type Topology = { readonly auto: boolean; readonly distribution: string | undefined };

/** The EndpointSlices of Services with a selector. */
export class EndpointSliceMetrics extends SliceMetrics {
  readonly #syncs = this.counter(`${this.prefix}_syncs`, "Looks at Services.");
  readonly #slices = this.histogram(
    `${this.prefix}_endpointslices_changed_per_sync`,
    "EndpointSlices that a look wrote.",
    DEFAULT_BOUNDS_S,
  );
  readonly #distributions = new Map<string, string>();

  constructor(registry: Registry) {
    super(registry, "endpoint_slice_controller");
    const name = `${this.prefix}_services_count_by_traffic_distribution`;
    addMetric(registry, { name, help: "Services by trafficDistribution.", type: "gauge" }, () =>
      [...Map.groupBy(this.#distributions.values(), (each) => each)].map(([each, all]) => ({
        labels: { traffic_distribution: each },
        value: all.length,
      })),
    );
  }

  synced(result: "success" | "stale" | "error"): void {
    this.#syncs.of({ result }).add();
  }

  /** Counts the hints of a Service whose slices were looked at. */
  hinted(service: string, change: SlicesChange, { auto, distribution }: Topology): void {
    if (distribution === undefined) this.#distributions.delete(service);
    else this.#distributions.set(service, distribution);
    const { create, update, delete: gone } = change;
    this.#slices
      .of({ topology: auto ? "Auto" : "Disabled", traffic_distribution: distribution ?? "" })
      .observe(create.length + update.length + gone.length);
  }

  override forget(service: string): void {
    super.forget(service);
    this.#distributions.delete(service);
  }
}

/** The EndpointSlices of Endpoints objects that were written by hand. */
export class MirroringMetrics extends SliceMetrics {
  /** Seconds of each look. */
  readonly durations = this.histogram(
    `${this.prefix}_endpoints_sync_duration`,
    "Seconds of a look.",
    exponentialBounds(0.001, 2, 15),
  ).of();
  /** Addresses of each look that are not mirrored: there are too many. */
  readonly skipped = this.histogram(
    `${this.prefix}_addresses_skipped_per_sync`,
    "Addresses that are not mirrored.",
    PER_SYNC,
  ).of();
  readonly #updated = this.histogram(
    `${this.prefix}_endpoints_updated_per_sync`,
    "Endpoints that a look changed.",
    PER_SYNC,
  );

  constructor(registry: Registry) {
    super(registry, "endpoint_slice_mirroring_controller");
  }

  override changed(service: string, change: SlicesChange) {
    const after = super.changed(service, change);
    const facts = (slices: readonly EndpointSlice[]) =>
      new Map(
        slices.flatMap(endpointsOf).map((each) => [each.addresses[0] ?? "", JSON.stringify(each)]),
      );
    const old = facts(change.before);
    const now = [...facts(after)];
    this.#updated
      .of()
      .observe(now.filter(([address, text]) => (old.get(address) ?? text) !== text).length);
    return after;
  }
}

function desiredSlices(slices: readonly EndpointSlice[]): number {
  const groups = Map.groupBy(slices, ({ addressType, ports }) =>
    JSON.stringify([addressType, ports]),
  );
  const full = [...groups.values()].map((each) =>
    Math.ceil(each.flatMap(endpointsOf).length / ENDPOINTS_PER_SLICE_MAX),
  );
  return full.reduce((sum, each) => sum + each, 0) || Math.min(1, slices.length);
}

const endpointsOf = ({ endpoints }: EndpointSlice): Endpoint[] => endpoints ?? [];

const addressesOf = (slices: readonly EndpointSlice[]): Set<string> =>
  new Set(slices.flatMap(endpointsOf).map(({ addresses }) => addresses[0] ?? ""));
