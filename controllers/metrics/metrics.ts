import type { RequestObserver } from "@raft2kube/client-kube/rest/client.ts";
import { requestMetrics } from "@raft2kube/client-kube/rest/request-metrics.ts";
import {
  addMetric,
  type Counter,
  exponentialBounds,
  familiesOf,
  type Histogram,
} from "@raft2kube/observe/families.ts";
import { type LoopMonitor, monitorLoop } from "@raft2kube/observe/loop-monitor.ts";
import { metricsRegistry, type Registry } from "@raft2kube/observe/metrics.ts";
import { addProcessMetrics } from "@raft2kube/observe/process-metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { AutoscalerMetrics } from "./autoscalers.ts";
import { EndpointSliceMetrics, MirroringMetrics } from "./endpoints.ts";
import { RootCaMetrics } from "./namespaces.ts";
import { NodeIpamMetrics, NodeMetrics } from "./nodes.ts";
import { QueueMetrics } from "./queues.ts";
import { VolumeMetrics } from "./volumes.ts";
import { JobMetrics } from "./workloads.ts";

const MANAGER = "kube-controller-manager";

/** The controllers' metrics, under upstream's names: a file for each area. */
export class ControllerMetrics {
  readonly registry: Registry = metricsRegistry();
  readonly queues: QueueMetrics;
  readonly requests: RequestObserver;
  readonly jobs: JobMetrics = new JobMetrics(this.registry);
  readonly endpointSlices: EndpointSliceMetrics = new EndpointSliceMetrics(this.registry);
  readonly mirroring: MirroringMetrics = new MirroringMetrics(this.registry);
  readonly nodes: NodeMetrics = new NodeMetrics(this.registry);
  readonly nodeIpam: NodeIpamMetrics = new NodeIpamMetrics(this.registry);
  readonly rootCa: RootCaMetrics = new RootCaMetrics(this.registry);
  readonly autoscalers: AutoscalerMetrics = new AutoscalerMetrics(this.registry);
  /** How old the pods that ReplicaSets delete are, in ages of the youngest. */
  readonly deletionAges: Histogram;
  /** Discoveries after which the garbage collector could not follow each kind. */
  readonly garbageSyncErrors: Counter;
  readonly volumes: VolumeMetrics = new VolumeMetrics(this.registry);
  readonly #loop: LoopMonitor = monitorLoop(this.registry);
  #running: readonly string[] = [];
  #isLeading: (() => boolean) | undefined;

  constructor(server: string, clock: Clock) {
    this.deletionAges = familiesOf(this.registry)
      .histogram(
        "replicaset_controller_sorting_deletion_age_ratio",
        "Ages of deleted pods, in ages of the youngest.",
        exponentialBounds(0.25, 2, 6),
      )
      .of();
    this.garbageSyncErrors = familiesOf(this.registry)
      .counter(
        "garbagecollector_controller_resources_sync_error_total",
        "Discoveries that the garbage collector could not follow.",
      )
      .of();
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
