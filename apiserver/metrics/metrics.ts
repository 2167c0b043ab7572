import { addMetric } from "@raft2kube/observe/families.ts";
import { exposeHeld } from "@raft2kube/observe/held.ts";
import { type LoopMonitor, monitorLoop } from "@raft2kube/observe/loop-monitor.ts";
import { metricsRegistry, type Registry as Metrics } from "@raft2kube/observe/metrics.ts";
import { addProcessFigures } from "@raft2kube/observe/process-figures.ts";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { STORE_CHECK_TIMEOUT_MS } from "../limits.ts";
import type { Registry } from "../resource/resources.ts";
import { AuthenticationFigures, AuthorizationFigures, filterDurations } from "./access.ts";
import { AdmissionFigures, PodSecurityFigures } from "./admission.ts";
import { ServiceFigures } from "./allocators.ts";
import { HealthFigures } from "./health.ts";
import { ResourceMetrics } from "./resource-metrics.ts";
import { ObjectFigures } from "./objects.ts";
import { RequestFigures } from "./requests.ts";
import { StoreFigures } from "./resource-counts.ts";
import { ServerFigures } from "./server.ts";

const log = logger("apiserver");

/**
 * What one server measures of itself, under upstream's names: an area each, a file each. Who counts
 * is given a number to add to; labels are put on when somebody looks.
 */
export class Figures {
  readonly metrics: Metrics = metricsRegistry();
  readonly requests: RequestFigures = new RequestFigures(this.metrics);
  readonly authentication: AuthenticationFigures;
  readonly authorization: AuthorizationFigures;
  readonly admission: AdmissionFigures = new AdmissionFigures(this.metrics);
  readonly podSecurity: PodSecurityFigures = new PodSecurityFigures(this.metrics);
  readonly services: ServiceFigures;
  readonly server: ServerFigures = new ServerFigures(this.metrics);
  /** Shown by itself, at `/metrics/slis`. */
  readonly health: HealthFigures = new HealthFigures();
  readonly #others = new Map<string, StoreFigures>();
  /** How long the event loop was held: nothing may hold it for more than 50 ms. */
  readonly #loop: LoopMonitor = monitorLoop(this.metrics);

  constructor({ serviceCidr }: { serviceCidr: string }) {
    const filters = filterDurations(this.metrics);
    this.authentication = new AuthenticationFigures(this.metrics, filters);
    this.authorization = new AuthorizationFigures(this.metrics, filters);
    this.services = new ServiceFigures(this.metrics, serviceCidr);
    exposeHeld(this.metrics);
    addProcessFigures(this.metrics);
  }

  /** Shows what resources count, and how large the store is. */
  show(resources: Registry, etcd: EtcdClient): void {
    new ResourceMetrics(this.metrics, resources, this.#others);
    new ObjectFigures(this.metrics, resources);
    showSize(this.metrics, etcd);
  }

  /** Who counts what is asked of the store about something that is no resource. */
  stored(name: string): StoreFigures {
    let figures = this.#others.get(name);
    if (!figures) this.#others.set(name, (figures = new StoreFigures()));
    return figures;
  }

  close(): void {
    this.#loop.close();
  }
}

/** The store is asked for its size when somebody looks; one that does not answer has none. */
function showSize(metrics: Metrics, etcd: EtcdClient): void {
  const help = "Bytes that the store takes on its disk.";
  const name = "apiserver_storage_size_bytes";
  addMetric(metrics, { name, help, type: "gauge" }, async () => {
    try {
      const { dbSize } = await etcd.status({ timeout_ms: STORE_CHECK_TIMEOUT_MS });
      return [{ labels: { storage_cluster_id: "etcd-0" }, value: dbSize }];
    } catch (thrown) {
      log.debug("the store does not tell its size", { reason: messageOf(thrown) });
      return [];
    }
  });
}
