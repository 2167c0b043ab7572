import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { VolumeAttributesClass } from "@raft2kube/api/gen/storage/v1.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { ClaimStatusChange } from "@raft2kube/client-kube/object/claim-conditions.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import {
  PERSISTENT_VOLUMES,
  PERSISTENT_VOLUME_CLAIMS,
  VOLUME_ATTRIBUTES_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { runWorkers } from "@raft2kube/client-kube/workqueue/work-loop.ts";
import { WorkQueue } from "@raft2kube/client-kube/workqueue/workqueue.ts";
import { patchClaimStatus } from "./claim-status.ts";
import { CONTROLLER_CALL_TIMEOUT_MS, MODIFY_WORKERS, RETRY_MS, RETRY_MS_MAX } from "./limits.ts";
import { planModify, type ModifyPlan } from "./modify-plan.ts";
import { referenceTo } from "./object-reference.ts";
import { isInfeasible } from "./resize-plan.ts";
import { rpcErrorText } from "./rpc-error-text.ts";
import type { SidecarOptions } from "./sidecar-options.ts";
import { ownerOf, type VolumeOwner } from "./volume-plan.ts";

const CONDITIONS = ["ModifyingVolume", "ModifyVolumeError"];

/**
 * Gives volumes the attributes of their claims' VolumeAttributesClass by ControllerModifyVolume.
 * The claim's status has the attempt before the driver is called.
 */
export class Modifier {
  readonly #options: SidecarOptions;
  readonly #owner: VolumeOwner;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #volumes: Informer<PersistentVolume>;
  readonly #classes: Informer<VolumeAttributesClass>;
  readonly #queue: WorkQueue;
  #working: Promise<void> = Promise.resolve();

  constructor(options: SidecarOptions) {
    this.#options = options;
    this.#owner = ownerOf(options.driver, options.nodeName);
    this.#claims = options.informers.of(PERSISTENT_VOLUME_CLAIMS);
    this.#volumes = options.informers.of(PERSISTENT_VOLUMES);
    this.#classes = options.informers.of(VOLUME_ATTRIBUTES_CLASSES);
    const { clock } = options;
    this.#queue = new WorkQueue({ clock, backoff_ms: RETRY_MS, backoffMax_ms: RETRY_MS_MAX });
  }

  /** Starts the workers; the informers must be synced. */
  start(): void {
    const add = (claim: PersistentVolumeClaim) => this.#queue.add(keyOf(claim));
    // Status changes are this loop's own: they must not cut a back-off short.
    const changed = (claim: PersistentVolumeClaim, old: PersistentVolumeClaim) => {
      const { volumeAttributesClassName: name } = claim.spec;
      const rebound = claim.status?.phase !== old.status?.phase;
      if (rebound || name !== old.spec.volumeAttributesClassName) add(claim);
    };
    this.#claims.handle({ added: add, updated: changed });
    const revisit = ({ metadata }: VolumeAttributesClass) => {
      for (const claim of this.#claims.store.list()) {
        if (claim.spec.volumeAttributesClassName === metadata.name) add(claim);
      }
    };
    this.#classes.handle({ added: revisit, updated: revisit });
    const modify = (key: string) => this.#modify(key);
    this.#working = runWorkers("csi-modify", this.#queue, MODIFY_WORKERS, modify);
  }

  async close(): Promise<void> {
    this.#queue.close();
    await this.#working;
  }

  async #modify(key: string): Promise<void> {
    const claim = this.#claims.store.get(key);
    if (!claim) return;
    const volume = this.#volumes.store.get(claim.spec.volumeName ?? "");
    const classOf = (name: string) => this.#classes.store.get(name);
    const plan = planModify(claim, volume, classOf, this.#owner);
    if (plan.act === "leave" || !volume) return;
    const about = referenceTo("PersistentVolumeClaim", claim);
    if (plan.act === "wait") {
      this.#options.events.record(about, "Warning", "VolumeModifyFailed", plan.why);
      await this.#patch(claim, stateOf(plan.target, "Pending", { ModifyVolumeError: plan.why }));
      return;
    }
    await this.#carryOut(claim, volume, plan);
  }

  async #carryOut(
    claim: PersistentVolumeClaim,
    volume: PersistentVolume,
    { target, volumeHandle, mutableParameters }: Extract<ModifyPlan, { act: "modify" }>,
  ): Promise<void> {
    const { driver, events, client } = this.#options;
    const about = referenceTo("PersistentVolumeClaim", claim);
    const begun = await this.#patch(claim, stateOf(target, "InProgress", { ModifyingVolume: "" }));
    try {
      await driver.controller.controllerModifyVolume(
        { volumeId: volumeHandle, mutableParameters },
        { timeout_ms: CONTROLLER_CALL_TIMEOUT_MS },
      );
    } catch (thrown) {
      const why = `modify volume "${volume.metadata.name}" failed: ${rpcErrorText(thrown)}`;
      events.record(about, "Warning", "VolumeModifyFailed", why);
      const state = isInfeasible(thrown) ? "Infeasible" : "InProgress";
      await this.#patch(begun, stateOf(target, state, { ModifyVolumeError: why }));
      throw thrown;
    }
    const spec = { volumeAttributesClassName: target };
    const volumes = client.resource<PersistentVolume>(PERSISTENT_VOLUMES);
    await volumes.patch(nameOf(volume), "merge", { spec });
    await this.#patch(begun, {
      fields: { currentVolumeAttributesClassName: target, modifyVolumeStatus: null },
      without: CONDITIONS,
    });
    const text = `external resizer modified volume ${volume.metadata.name} with vac ${target}`;
    events.record(about, "Normal", "VolumeModifySuccessful", text);
  }

  #patch(claim: PersistentVolumeClaim, change: ClaimStatusChange): Promise<PersistentVolumeClaim> {
    const { client, clock } = this.#options;
    return patchClaimStatus(client, claim, change, clock.now());
  }
}

function stateOf(
  targetVolumeAttributesClassName: string,
  status: "Pending" | "InProgress" | "Infeasible",
  conditions: Record<string, string>,
): ClaimStatusChange {
  return {
    fields: { modifyVolumeStatus: { targetVolumeAttributesClassName, status } },
    without: CONDITIONS,
    with: conditions,
  };
}
