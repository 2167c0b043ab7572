import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { VolumeAttributesClass } from "@raft2kube/api/gen/storage/v1.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { ClaimStatusChange } from "@raft2kube/client-kube/object/claim-conditions.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  VOLUME_ATTRIBUTES_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { runWorkers } from "@raft2kube/client-kube/workers.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { goCodeName, RpcError, Status } from "@raft2kube/rpc/error.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { isRefusal } from "./call-outcome.ts";
import { patchClaimStatus } from "./claim-status.ts";
import { CONTROLLER_CALL_TIMEOUT_MS, MODIFY_WORKERS, RETRY, RETRY_MS_MAX } from "./limits.ts";
import { MODIFYING, type ModifyPlan, planModify } from "./modify-plan.ts";
import { referenceTo } from "./object-reference.ts";
import { rpcErrorText } from "./rpc-error-text.ts";
import type { SidecarOptions } from "./sidecar-options.ts";
import { ownerOf, type VolumeOwner } from "./volume-plan.ts";

const FAILED = "ModifyVolumeError";

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
  /** Claims whose last attempt the driver refused; in memory, as upstream's. */
  readonly #refused = new Set<string>();
  #working: Promise<void> = Promise.resolve();

  constructor(options: SidecarOptions) {
    this.#options = options;
    this.#owner = ownerOf(options);
    this.#claims = options.informers.of(PERSISTENT_VOLUME_CLAIMS);
    this.#volumes = options.informers.of(PERSISTENT_VOLUMES);
    this.#classes = options.informers.of(VOLUME_ATTRIBUTES_CLASSES);
    const { clock } = options;
    this.#queue = new WorkQueue({ clock, pauses: RETRY, workers: MODIFY_WORKERS });
  }

  /** Starts the workers; the informers must be synced. */
  start(): void {
    const add = (claim: PersistentVolumeClaim) => this.#queue.add(keyOf(claim));
    // Status changes are this loop's own: they must not cut a back-off short.
    const changed = (claim: PersistentVolumeClaim, old: PersistentVolumeClaim) => {
      const { volumeAttributesClassName: name } = claim.spec;
      const rebound = claim.status?.phase !== old.status?.phase;
      // The claim may have named another class meanwhile.
      const ended = old.status?.modifyVolumeStatus && !claim.status?.modifyVolumeStatus;
      if (rebound || ended || name !== old.spec.volumeAttributesClassName) add(claim);
    };
    const deleted = (claim: PersistentVolumeClaim) => void this.#refused.delete(keyOf(claim));
    this.#claims.handle({ added: add, updated: changed, deleted });
    const revisit = ({ metadata }: VolumeAttributesClass) => {
      for (const claim of this.#claims.store.list()) {
        const begun = claim.status?.modifyVolumeStatus?.targetVolumeAttributesClassName;
        const named = [claim.spec.volumeAttributesClassName, begun];
        if (named.includes(metadata.name)) add(claim);
      }
    };
    this.#classes.handle({ added: revisit, updated: revisit });
    const modify = (key: string) => this.#modify(key);
    this.#working = runWorkers("csi-modify", this.#queue, modify);
  }

  async close(): Promise<void> {
    this.#queue.close();
    await this.#working;
  }

  async #modify(key: string): Promise<{ again_ms: number } | void> {
    const claim = this.#claims.store.get(key);
    if (!claim) return;
    const volume = this.#volumes.store.get(claim.spec.volumeName ?? "");
    const classOf = (name: string) => this.#classes.store.get(name);
    const about = { owner: this.#owner, refused: this.#refused.has(key) };
    const plan = planModify(claim, volume, classOf, about);
    if (!volume) return;
    const { events } = this.#options;
    const reference = referenceTo("PersistentVolumeClaim", claim);
    switch (plan.act) {
      case "leave":
        return;
      case "cancel":
        events.record(reference, "Normal", "VolumeModifyCancelled", "Cancelled modify.");
        return void (await this.#patch(claim, { fields: {}, without: [MODIFYING] }));
      case "wait":
        events.record(reference, "Warning", "VolumeModifyFailed", plan.why);
        return void (await this.#patch(claim, stateOf(plan.target, "Pending")));
      case "modify":
        return this.#carryOut(claim, volume, plan);
      default:
        return plan satisfies never;
    }
  }

  async #carryOut(
    claim: PersistentVolumeClaim,
    volume: PersistentVolume,
    { target, volumeHandle, mutableParameters }: Extract<ModifyPlan, { act: "modify" }>,
  ): Promise<{ again_ms: number } | void> {
    const { driver, events, client } = this.#options;
    const about = referenceTo("PersistentVolumeClaim", claim);
    const begun = await this.#patch(
      claim,
      stateOf(target, "InProgress", {
        [MODIFYING]: `Modifying volume to "${target}" is in progress.`,
      }),
    );
    try {
      await driver.controller.controllerModifyVolume(
        { volumeId: volumeHandle, mutableParameters },
        { timeout_ms: CONTROLLER_CALL_TIMEOUT_MS },
      );
    } catch (thrown) {
      const why = `modify volume "${volume.metadata.name}" failed: ${rpcErrorText(thrown)}`;
      events.record(about, "Warning", "VolumeModifyFailed", why);
      return this.#recordFailure(begun, target, thrown);
    }
    this.#refused.delete(keyOf(claim));
    const spec = { volumeAttributesClassName: target };
    const volumes = client.resource(PERSISTENT_VOLUMES);
    await volumes.patch(nameOf(volume), "merge", { spec });
    await this.#patch(begun, {
      fields: { currentVolumeAttributesClassName: target, modifyVolumeStatus: null },
      without: [MODIFYING, FAILED],
    });
    const text = `external resizer modified volume ${volume.metadata.name} with vac ${target}`;
    events.record(about, "Normal", "VolumeModifySuccessful", text);
  }

  /**
   * Records a failure. Of refusals only INVALID_ARGUMENT means that the driver will never do it
   * (CSI spec).
   */
  async #recordFailure(
    claim: PersistentVolumeClaim,
    target: string,
    thrown: unknown,
  ): Promise<{ again_ms: number }> {
    if (!(thrown instanceof RpcError)) throw thrown;
    const refused = isRefusal(thrown);
    if (refused) this.#refused.add(keyOf(claim));
    else this.#refused.delete(keyOf(claim));
    const infeasible = thrown.status === Status.INVALID_ARGUMENT;
    const state = refused ? "failed. Waiting for retry." : "is still in progress.";
    await this.#patch(
      claim,
      stateOf(target, infeasible ? "Infeasible" : "InProgress", {
        [MODIFYING]: `Modifying volume to "${target}" ${state}`,
        [FAILED]: { reason: goCodeName(thrown), message: messageOf(thrown) },
      }),
    );
    // Only another class helps, which brings the claim back immediately.
    if (infeasible) return { again_ms: RETRY_MS_MAX };
    throw thrown;
  }

  #patch(claim: PersistentVolumeClaim, change: ClaimStatusChange): Promise<PersistentVolumeClaim> {
    const { client, clock } = this.#options;
    return patchClaimStatus(client, claim, change, clock.now());
  }
}

const stateOf = (
  targetVolumeAttributesClassName: string,
  status: "Pending" | "InProgress" | "Infeasible",
  conditions: NonNullable<ClaimStatusChange["with"]> = {},
): ClaimStatusChange => ({
  fields: { modifyVolumeStatus: { targetVolumeAttributesClassName, status } },
  without: [],
  with: conditions,
});
