import {
  addMetric, type Count, type CounterFamily, DEFAULT_BOUNDS_S, familiesOf, type Spread,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Labels } from "./families.ts";

/** Asked for by name, or any that is free. */
type Scope = "static" | "dynamic";

/** How many are given out and how many are left. */
interface Stock {
  readonly taken: number;
  readonly free: number;
}

/** One allocator's attempts (upstream: registry/core/service/...). */
export class AllocatorMetrics {
  readonly #registry: Registry;
  readonly #prefix: string;
  readonly #labels: Labels;
  readonly #clock: Clock;
  readonly #done: Readonly<Record<Scope, Count>>;
  readonly #failed: CounterFamily;
  readonly #durations: Spread | undefined;

  constructor(
    { registry, clock }: { registry: Registry; clock: Clock },
    prefix: string,
    what: string,
    labels: Labels,
    timed: boolean,
  ) {
    this.#registry = registry;
    this.#clock = clock;
    this.#prefix = prefix;
    this.#labels = labels;
    const { counter, histogram } = familiesOf(registry);
    const done = counter(`${prefix}_allocation_total`, `${what} given out.`);
    this.#done = {
      static: done.of({ ...labels, scope: "static" }),
      dynamic: done.of({ ...labels, scope: "dynamic" }),
    };
    this.#failed = counter(`${prefix}_allocation_errors_total`, `${what} that could not be.`);
    if (!timed) return;
    const help = `Time to give out ${what}.`;
    this.#durations = histogram(`${prefix}_allocation_duration_seconds`, help, DEFAULT_BOUNDS_S)
      .of(labels);
  }

  /** Counts and times an attempt to take something. */
  async attempt<T>(scope: Scope, work: () => Promise<T>): Promise<T> {
    const from_ms = this.#clock.monotonic();
    try {
      const result = await work();
      this.took(scope, 1);
      return result;
    } catch (thrown) {
      this.failed(scope);
      throw thrown;
    } finally {
      this.#durations?.observe((this.#clock.monotonic() - from_ms) / 1_000);
    }
  }

  /** Several were taken at once, or none of them could be. */
  took(scope: Scope, number: number): void {
    this.#done[scope].add(number);
  }

  failed(scope: Scope): void {
    this.#failed.of({ ...this.#labels, scope }).add();
  }

  /** Shows how many are given out, once that is known. */
  show(unit: "ips" | "ports", stock: () => Stock | undefined): void {
    const gauge = (name: string, help: string, read: (now: Stock) => number) =>
      addMetric(this.#registry,
        { name: `${this.#prefix}_${name}_${unit}`, help, type: "gauge" }, () => {
          const now = stock();
          return now === undefined ? [] : [{ labels: this.#labels, value: read(now) }];
        });
    gauge("allocated", `How many ${unit} are given out.`, ({ taken }) => taken);
    gauge("available", `How many ${unit} are left.`, ({ free }) => free);
  }
}

/** The results of the rounds that repair reservations. */
export class RepairMetrics {
  readonly #errors: CounterFamily;
  readonly #failures: Count;

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

  constructor(registry: Registry, cidr: string, clock: Clock) {
    const allocator = (of: string, what: string, labels: Labels, timed: boolean) =>
      new AllocatorMetrics(
        { registry, clock }, `kube_apiserver_${of}_allocator`, what, labels, timed);
    this.addresses = allocator("clusterip", "Cluster IPs", { cidr }, true);
    this.ports = allocator("nodeport", "Node ports", {}, false);
    this.addressRepair = new RepairMetrics(registry, "clusterip", "ip");
    this.portRepair = new RepairMetrics(registry, "nodeport", "port");
  }
}
