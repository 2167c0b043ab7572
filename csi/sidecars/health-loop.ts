import type { ObjectReference, PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import { PERSISTENT_VOLUMES } from "@raft2kube/client-kube/rest/resources.ts";
import { runWorkers } from "@raft2kube/client-kube/workqueue/work-loop.ts";
import { WorkQueue } from "@raft2kube/client-kube/workqueue/workqueue.ts";
import { ControllerServiceCapability_RPC_Type as Rpc } from "@raft2kube/proto/gen/csi.ts";
import { getConditions, listConditions } from "./health-conditions.ts";
import { monitoredVolumes, planHealth } from "./health-plan.ts";
import { HEALTH_POLL_MS, RETRY_MS, RETRY_MS_MAX } from "./limits.ts";
import type { SidecarOptions } from "./sidecar-options.ts";
import { ownerOf } from "./volume-plan.ts";

const KEY = "health";

/** Whether a driver reports the conditions of its volumes at its controller. */
export function reportsConditions(capabilities: ReadonlySet<number>): boolean {
  return capabilities.has(Rpc.VOLUME_CONDITION) &&
    (capabilities.has(Rpc.LIST_VOLUMES) || capabilities.has(Rpc.GET_VOLUME));
}

/**
 * Reads the conditions of the driver's volumes every five minutes: those that are abnormal are
 * events about their claims (upstream's external-health-monitor).
 */
export class HealthMonitor {
  readonly #options: SidecarOptions;
  readonly #queue: WorkQueue;
  readonly #interval_ms: number;
  /** UIDs of the volumes that were abnormal; a monitor that starts again begins without them. */
  readonly #abnormal = new Set<string>();
  #isClosed = false;
  #timer: { cancel(): void } | undefined;
  #working: Promise<void> = Promise.resolve();

  constructor(options: SidecarOptions, interval_ms = HEALTH_POLL_MS) {
    this.#options = options;
    this.#interval_ms = interval_ms;
    const { clock } = options;
    this.#queue = new WorkQueue({ clock, backoff_ms: RETRY_MS, backoffMax_ms: RETRY_MS_MAX });
  }

  /** Starts the worker; the informers must be synced. */
  start(): void {
    this.#working = runWorkers("csi-health", this.#queue, 1, () => this.#look());
    this.#queue.add(KEY);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#queue.close();
    await this.#working;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const { clock, driver, events, informers, nodeName } = this.#options;
    this.#timer?.cancel();
    this.#timer = clock.after(this.#interval_ms, () => this.#queue.add(KEY));
    const all = informers.of<PersistentVolume>(PERSISTENT_VOLUMES).store.list();
    const volumes = monitoredVolumes(all, ownerOf(driver, nodeName));
    if (volumes.size === 0) return;
    const handles = new Set(volumes.keys());
    const conditions = driver.capabilities.has(Rpc.LIST_VOLUMES)
      ? await listConditions(driver, handles)
      : await getConditions(driver, handles, () => this.#isClosed);
    for (const event of planHealth(volumes, conditions, this.#abnormal)) {
      const { type, reason, message } = event;
      events.record(claimOf(event.volume), type, reason, message);
    }
  }
}

function claimOf({ spec }: PersistentVolume): ObjectReference {
  const { namespace = "", name = "", uid = "" } = spec.claimRef ?? {};
  return { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid };
}
