import {
  addMetric,
  type Counter,
  type CounterFamily,
  DEFAULT_BOUNDS_S,
  familiesOf,
  type HistogramFamily,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Labels } from "./families.ts";

/** Whether an address or port was requested by name, or is any free one. */
type Scope = "static" | "dynamic";

/** How many of a range are allocated and how many are left. */
type Stock = { readonly labels: Labels; readonly taken: number; readonly free: number };

/** One allocator's attempts, by range (upstream: registry/core/service/...). */
export class AllocatorMetrics {
  readonly #registry: Registry;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #done: CounterFamily;
  readonly #failed: CounterFamily;
  readonly #durations: HistogramFamily | undefined;

  constructor(
    { registry, clock }: { registry: Registry; clock: Clock },
    prefix: string,
    what: string,
    timed: boolean,
  ) {
    this.#registry = registry;
    this.#clock = clock;
    this.#prefix = prefix;
    const { counter, histogram } = familiesOf(registry);
    this.#done = counter(`${prefix}_allocation_total`, `${what} that were allocated.`);
    this.#failed = counter(`${prefix}_allocation_errors_total`, `${what} that could not be.`);
    const help = `Time of an allocation of ${what}.`;
    if (timed) {
      this.#durations = histogram(`${prefix}_allocation_duration_seconds`, help, DEFAULT_BOUNDS_S);
    }
  }

  /** Counts and times an attempt to take one, which fails by throwing. */
  async attempt<T>(scope: Scope, labels: Labels, work: () => Promise<T>): Promise<T> {
    const from_ms = this.#clock.monotonic();
    try {
      const result = await work();
      this.took(scope, 1, labels);
      return result;
    } catch (thrown) {
      this.failed(scope, labels);
      throw thrown;
    } finally {
      this.#durations?.of(labels).observe((this.#clock.monotonic() - from_ms) / 1_000);
    }
  }

  /** Several were taken together, or none of them could be. */
  took(scope: Scope, number: number, labels: Labels = {}): void {
    this.#done.of({ ...labels, scope }).add(number);
  }

  failed(scope: Scope, labels: Labels = {}): void {
    this.#failed.of({ ...labels, scope }).add();
  }

  /** Shows how many of each range are allocated, once that is known. */
  show(unit: "ips" | "ports", stocks: () => readonly Stock[]): void {
    const gauge = (name: string, help: string, read: (now: Stock) => number) =>
      addMetric(
        this.#registry,
        { name: `${this.#prefix}_${name}_${unit}`, help, type: "gauge" },
        () => stocks().map((now) => ({ labels: now.labels, value: read(now) })),
      );
    gauge("allocated", `Allocated ${unit}.`, ({ taken }) => taken);
    gauge("available", `How many ${unit} are left.`, ({ free }) => free);
  }
}

/** The results of the rounds that repair reservations. */
export class RepairMetrics {
  readonly #errors: CounterFamily;
  readonly #failures: Counter;

  constructor(registry: Registry, of: string, what: string) {
    const { counter } = familiesOf(registry);
    const name = `apiserver_${of}_repair`;
    this.#errors = counter(`${name}_${what}_errors_total`, "Reservations found to be wrong.");
    this.#failures = counter(`${name}_reconcile_errors_total`, "Repairs that failed.").of();
  }

  /** Counts reservations without a holder (leak) and missing ones (repair). */
  found(type: "leak" | "repair", number: number): void {
    if (number > 0) this.#errors.of({ type }).add(number);
  }

  /** A round could not be finished. */
  failedRound(): void {
    this.#failures.add();
  }
}

/** Addresses and node ports of Services. */
export class ServiceMetrics {
  readonly addresses: AllocatorMetrics;
  readonly ports: AllocatorMetrics;
  readonly addressRepair: RepairMetrics;
  readonly portRepair: RepairMetrics;

  constructor(registry: Registry, clock: Clock) {
    const allocator = (of: string, what: string, timed: boolean) =>
      new AllocatorMetrics({ registry, clock }, `kube_apiserver_${of}_allocator`, what, timed);
    this.addresses = allocator("clusterip", "Cluster IPs", true);
    this.ports = allocator("nodeport", "Node ports", false);
    this.addressRepair = new RepairMetrics(registry, "clusterip", "ip");
    this.portRepair = new RepairMetrics(registry, "nodeport", "port");
  }
}
