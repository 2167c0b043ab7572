import type { RequestObserver } from "@raft2kube/client-kube/rest/client.ts";
import { requestMetrics } from "@raft2kube/client-kube/rest/request-metrics.ts";
import { addMetric } from "@raft2kube/observe/families.ts";
import { type LoopMonitor, monitorLoop } from "@raft2kube/observe/loop-monitor.ts";
import { metricsRegistry, type Registry } from "@raft2kube/observe/metrics.ts";
import { addProcessMetrics } from "@raft2kube/observe/process-metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { NodeMetrics } from "./nodes.ts";
import { QueueMetrics } from "./queues.ts";
import { JobMetrics } from "./workloads.ts";

const MANAGER = "kube-controller-manager";

/** The controllers' metrics, under upstream's names: a file for each area. */
export class ControllerMetrics {
  readonly registry: Registry = metricsRegistry();
  readonly queues: QueueMetrics;
  readonly requests: RequestObserver;
  readonly jobs: JobMetrics = new JobMetrics(this.registry);
  readonly nodes: NodeMetrics = new NodeMetrics(this.registry);
  readonly #loop: LoopMonitor = monitorLoop(this.registry);
  #running: readonly string[] = [];
  #isLeading: (() => boolean) | undefined;

  constructor(server: string, clock: Clock) {
    this.queues = new QueueMetrics(this.registry, clock);
    this.requests = requestMetrics(this.registry, server);
    this.#showManager();
    addProcessMetrics(this.registry);
  }

  /** The controllers that run now. */
  running(names: readonly string[]): void {
    this.#running = names;
  }

  /** Shows whether this candidate leads. */
  election(isLeading: () => boolean): void {
    this.#isLeading = isLeading;
  }

  /** The election, and each controller that runs: a controller that fails ends the process. */
  healthChecks(): Map<string, () => void> {
    const names = [...(this.#isLeading ? ["leaderElection"] : []), ...this.#running];
    return new Map(names.map((name) => [name, () => undefined]));
  }

  close(): void {
    this.#loop.close();
  }

  #showManager(): void {
    const gauge = (name: string, help: string) => ({ name, help, type: "gauge" }) as const;
    addMetric(this.registry, gauge("running_managed_controllers", "Controllers that run."), () =>
      this.#running.map((name) => ({ labels: { manager: MANAGER, name }, value: 1 })),
    );
    const leads = gauge("leader_election_master_status", "1 for the candidate that leads.");
    addMetric(this.registry, leads, () =>
      this.#isLeading === undefined
        ? []
        : [{ labels: { name: MANAGER }, value: this.#isLeading() ? 1 : 0 }],
    );
  }
}
