import type { ObjectReference, PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import { PERSISTENT_VOLUMES } from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { ControllerServiceCapability_RPC_Type as Rpc } from "@raft2kube/proto/gen/csi.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { getConditions, listConditions } from "./health-conditions.ts";
import { monitoredVolumes, planHealth } from "./health-plan.ts";
import { HEALTH_POLL_MS, RETRY } from "./limits.ts";
import type { SidecarOptions } from "./sidecar-options.ts";
import { ownerOf } from "./volume-plan.ts";

const log = logger("csi-health");

/** Whether a driver reports the conditions of its volumes at its controller. */
export const reportsConditions = (capabilities: ReadonlySet<number>): boolean =>
  capabilities.has(Rpc.VOLUME_CONDITION) &&
  (capabilities.has(Rpc.LIST_VOLUMES) || capabilities.has(Rpc.GET_VOLUME));

/**
 * Reads the conditions of the driver's volumes every five minutes: those that are abnormal are
 * events about their claims (upstream's external-health-monitor).
 */
export class HealthMonitor {
  readonly #options: SidecarOptions;
  readonly #looking: Runner;
  /** UIDs of the volumes that were abnormal; a restarted monitor starts without them. */
  readonly #abnormal = new Set<string>();
  #isClosed = false;

  constructor(options: SidecarOptions) {
    this.#options = options;
    this.#looking = new Runner({
      clock: options.clock,
      max_ms: HEALTH_POLL_MS,
      retry: RETRY,
      run: () => this.#look(),
      report: failureLog(log, "the volumes' conditions were not read"),
    });
  }

  /** Reads the conditions for the first time; the informers must be synced. */
  start(): void {
    this.#looking.request();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#looking.close();
  }

  async #look(): Promise<void> {
    const { driver, events, informers } = this.#options;
    const all = informers.of(PERSISTENT_VOLUMES).store.list();
    const volumes = monitoredVolumes(all, ownerOf(this.#options));
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
