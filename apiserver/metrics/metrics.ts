import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { addMetric } from "@raft2kube/observe/families.ts";
import { HealthMetrics } from "@raft2kube/observe/health-metrics.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type LoopMonitor, monitorLoop } from "@raft2kube/observe/loop-monitor.ts";
import { type Registry as MetricsRegistry, metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { addProcessMetrics } from "@raft2kube/observe/process-metrics.ts";
import { exposeTimed } from "@raft2kube/observe/timed.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { STORE_CHECK_TIMEOUT_MS } from "../limits.ts";
import { AuthenticationMetrics, AuthorizationMetrics } from "./access.ts";
import { AdmissionMetrics, PodSecurityMetrics } from "./admission.ts";
import { JwtMetrics } from "./jwt.ts";
import { PolicyMetrics } from "./policies.ts";
import { RequestMetrics } from "./requests.ts";
import { showResources } from "./resource-collector.ts";
import { StoreMetrics } from "./resource-metrics.ts";
import { ServerMetrics } from "./server.ts";
import type { MeasuredResources } from "./shared.ts";
import { WebhookMetrics } from "./webhooks.ts";

const log = logger("apiserver");

/**
 * A server's own metrics, under upstream's names: a file for each area. Code that counts gets a
 * number to add to; labels are attached when the metrics are read.
 */
export class Metrics {
  readonly registry: MetricsRegistry = metricsRegistry();
  readonly requests: RequestMetrics;
  readonly authentication: AuthenticationMetrics;
  readonly authorization: AuthorizationMetrics;
  readonly admission: AdmissionMetrics = new AdmissionMetrics(this.registry);
  readonly podSecurity: PodSecurityMetrics = new PodSecurityMetrics(this.registry);
  readonly webhooks: WebhookMetrics = new WebhookMetrics(this.registry);
  readonly policies: PolicyMetrics = new PolicyMetrics(this.registry);
  readonly jwt: JwtMetrics = new JwtMetrics(this.registry);
  readonly server: ServerMetrics = new ServerMetrics(this.registry);
  /** Metrics of health, served apart at `/metrics/slis`. */
  readonly health: HealthMetrics = new HealthMetrics();
  readonly #others = new Map<string, StoreMetrics>();
  readonly #clock: Clock;
  /** How long the event loop was held: nothing may hold it for more than 50 ms. */
  readonly #loop: LoopMonitor = monitorLoop(this.registry);

  constructor(clock: Clock) {
    this.#clock = clock;
    this.requests = new RequestMetrics(this.registry, clock);
    this.authentication = new AuthenticationMetrics(this.registry);
    this.authorization = new AuthorizationMetrics(this.registry);
    exposeTimed(this.registry);
    addProcessMetrics(this.registry);
  }

  /** Shows what resources count, and how large the store is. */
  show(resources: MeasuredResources, etcd: EtcdClient): void {
    showResources(this.registry, resources, this.#others, this.#clock);
    showSize(this.registry, etcd);
  }

  /** Counts store requests that concern no resource. */
  stored(name: string): StoreMetrics {
    let metrics = this.#others.get(name);
    if (!metrics) this.#others.set(name, (metrics = new StoreMetrics(this.#clock)));
    return metrics;
  }

  close(): void {
    this.#loop.close();
  }
}

/** Reads the store's size when the metrics are read; without a response there is no sample. */
function showSize(registry: MetricsRegistry, etcd: EtcdClient): void {
  const help = "Bytes that the store takes on its disk.";
  const name = "apiserver_storage_size_bytes";
  addMetric(registry, { name, help, type: "gauge" }, async () => {
    try {
      const { dbSize } = await etcd.status({ timeout_ms: STORE_CHECK_TIMEOUT_MS });
      return [{ labels: { storage_cluster_id: "etcd-0" }, value: dbSize }];
    } catch (thrown) {
      log.debug("the store does not report its size", { reason: messageOf(thrown) });
      return [];
    }
  });
}
