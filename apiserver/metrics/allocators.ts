import {
  addMetric,
  type Count,
  CounterFamily,
  HistogramFamily,
  type Spread,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { DEFAULT_BOUNDS_S } from "./bounds.ts";

/** Asked for by name, or any that is free. */
export type Scope = "static" | "dynamic";

/** How many are given out and how many are left, undefined while nobody knows. */
type Stock = () => Stocked | undefined;

interface Stocked {
  readonly taken: number;
  readonly free: number;
}

/** One allocator's attempts. */
export class AllocatorMetrics {
  readonly #done: Readonly<Record<Scope, Count>>;
  readonly #failed: CounterFamily;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #durations: Spread | undefined;
  readonly #clock: Clock;

  constructor(init: {
    readonly done: CounterFamily;
    readonly failed: CounterFamily;
    readonly durations?: Spread;
    readonly clock: Clock;
    readonly labels: Readonly<Record<string, string>>;
  }) {
    this.#done = {
      static: init.done.of({ ...init.labels, scope: "static" }),
      dynamic: init.done.of({ ...init.labels, scope: "dynamic" }),
    };
    this.#failed = init.failed;
    this.#labels = init.labels;
    this.#durations = init.durations;
    this.#clock = init.clock;
  }

  /** Counts and times an attempt to take something. */
  async attempt<T>(scope: Scope, work: () => Promise<T>): Promise<T> {
    const from_ms = this.#clock.monotonic();
    try {
      const result = await work();
      this.#done[scope].add();
      return result;
    } catch (thrown) {
      this.#failed.of({ ...this.#labels, scope }).add();
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
}

/** What the rounds that mend reservations found. */
export class RepairMetrics {
  readonly #errors: CounterFamily;
  readonly #failures: Count;

  constructor(errors: CounterFamily, failures: CounterFamily) {
    this.#errors = errors;
    this.#failures = failures.of();
  }

  /** Reservations that nobody holds, or that were missing. */
  found(type: "leak" | "repair", number: number): void {
    if (number > 0) this.#errors.of({ type }).add(number);
  }

  /** A round could not be finished. */
  failedRound(): void {
    this.#failures.add();
  }
}

/** Addresses and node ports of Services (upstream: registry/core/service/...). */
export class ServiceMetrics {
  readonly addresses: AllocatorMetrics;
  readonly ports: AllocatorMetrics;
  readonly addressRepair: RepairMetrics;
  readonly portRepair: RepairMetrics;
  readonly #registry: Registry;
  readonly #cidr: string;

  constructor(registry: Registry, cidr: string, clock: Clock) {
    this.#registry = registry;
    this.#cidr = cidr;
    const counter = (name: string, help: string) => new CounterFamily(registry, name, help);
    const ips = "kube_apiserver_clusterip_allocator";
    this.addresses = new AllocatorMetrics({
      done: counter(`${ips}_allocation_total`, "Cluster IPs given out."),
      failed: counter(`${ips}_allocation_errors_total`, "Cluster IPs that could not be."),
      durations: new HistogramFamily(registry, `${ips}_allocation_duration_seconds`,
        "Time to give out a cluster IP.", DEFAULT_BOUNDS_S).of({ cidr }),
      labels: { cidr },
      clock,
    });
    const ports = "kube_apiserver_nodeport_allocator";
    this.ports = new AllocatorMetrics({
      done: counter(`${ports}_allocation_total`, "Node ports given out."),
      failed: counter(`${ports}_allocation_errors_total`, "Node ports that could not be."),
      labels: {},
      clock,
    });
    const repair = (of: string, what: string) => new RepairMetrics(
      counter(`apiserver_${of}_repair_${what}_errors_total`, "Reservations found to be wrong."),
      counter(`apiserver_${of}_repair_reconcile_errors_total`, "Repairs that failed."));
    this.addressRepair = repair("clusterip", "ip");
    this.portRepair = repair("nodeport", "port");
  }

  /** Shows how many addresses are given out. */
  showAddresses(stock: Stock): void {
    const labels = { cidr: this.#cidr };
    this.#show("kube_apiserver_clusterip_allocator", "ips", "cluster IPs", labels, stock);
  }

  /** Shows how many node ports are. */
  showPorts(stock: Stock): void {
    this.#show("kube_apiserver_nodeport_allocator", "ports", "node ports", {}, stock);
  }

  #show(
    prefix: string,
    unit: string,
    what: string,
    labels: Readonly<Record<string, string>>,
    stock: Stock,
  ): void {
    const gauge = (name: string, help: string, read: (now: Stocked) => number) =>
      addMetric(this.#registry, { name: `${prefix}_${name}_${unit}`, help, type: "gauge" }, () => {
        const now = stock();
        return now === undefined ? [] : [{ labels, value: read(now) }];
      });
    gauge("allocated", `How many ${what} are given out.`, ({ taken }) => taken);
    gauge("available", `How many ${what} are left.`, ({ free }) => free);
  }
}
