import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { ClaimStatusChange } from "@raft2kube/client-kube/object/claim-conditions.ts";
import { csiSourceOf } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { runWorkers } from "@raft2kube/client-kube/workers.ts";
import type { ControllerExpandVolumeResponse } from "@raft2kube/proto/gen/csi.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { quantityOf } from "@raft2kube/std/quantity.ts";
import { accessModeOf } from "./access-mode.ts";
import { isRefusal } from "./call-outcome.ts";
import { patchClaimStatus } from "./claim-status.ts";
import { CONTROLLER_CALL_TIMEOUT_MS, RESIZE_WORKERS, RETRY, RETRY_MS_MAX } from "./limits.ts";
import { referenceTo } from "./object-reference.ts";
import { ProvisioningError } from "./provisioning-error.ts";
import { isInfeasibleSize, planResize } from "./resize-plan.ts";
import { rpcErrorText } from "./rpc-error-text.ts";
import { secretOf } from "./secret.ts";
import type { SidecarOptions } from "./sidecar-options.ts";
import { ownerOf, type VolumeOwner } from "./volume-plan.ts";

/** The condition of a claim from the first attempt until controller and node are finished. */
const RESIZING = "Resizing";

/** Conditions of earlier attempts, which end with one for another size. */
const ENDED = ["FileSystemResizePending", "ControllerResizeError", "NodeResizeError"];

/** Whether the node's driver cannot have the size: tried again later, as by upstream's resizer. */
const hasNodeRefused = ({ status }: PersistentVolumeClaim): boolean =>
  status?.allocatedResourceStatuses?.["storage"] === "NodeResizeInfeasible";

/** Grows the volumes of claims that ask for more than they have. */
export class Resizer {
  readonly #options: SidecarOptions;
  readonly #owner: VolumeOwner;
  readonly #queue: WorkQueue;
  /** Claims whose last attempt the driver refused; in memory, as upstream's. */
  readonly #refused = new Set<string>();
  #working: Promise<void> = Promise.resolve();

  constructor(options: SidecarOptions) {
    this.#options = options;
    this.#owner = ownerOf(options);
    const { clock } = options;
    this.#queue = new WorkQueue({ clock, pauses: RETRY, workers: RESIZE_WORKERS });
  }

  /** Starts the workers; they wait until the informers are synced. */
  start(): void {
    const claims = this.#options.informers.of(PERSISTENT_VOLUME_CLAIMS);
    const add = (claim: PersistentVolumeClaim) => this.#queue.add(keyOf(claim));
    // Most status changes are this loop's own: they must not cut a back-off short.
    const about = ({ spec, status }: PersistentVolumeClaim) =>
      JSON.stringify([spec.resources, status?.phase, status?.capacity]);
    claims.handle({
      added: add,
      updated: (claim, old) => {
        if (about(claim) !== about(old)) add(claim);
        if (hasNodeRefused(claim) && !hasNodeRefused(old)) {
          this.#queue.addAfter(keyOf(claim), RETRY_MS_MAX);
        }
      },
      deleted: (claim) => void this.#refused.delete(keyOf(claim)),
    });
    const resize = (key: string) => this.#resize(key);
    this.#working = runWorkers("csi-resize", this.#queue, resize);
  }

  async close(): Promise<void> {
    this.#queue.close();
    await this.#working;
  }

  async #resize(key: string): Promise<{ again_ms: number } | void> {
    const { events, informers } = this.#options;
    const claims = informers.of(PERSISTENT_VOLUME_CLAIMS);
    const volumes = informers.of(PERSISTENT_VOLUMES);
    const claim = claims.store.get(key);
    if (!claim) return;
    const volume = volumes.store.get(claim.spec.volumeName ?? "");
    const plan = planResize(claim, volume, this.#owner, this.#refused.has(key));
    if (plan.act === "leave" || !volume) return;
    if (plan.act === "finish") return void (await this.#finish(claim, plan.size, plan.size));
    const about = referenceTo("PersistentVolumeClaim", claim);
    const name = volume.metadata.name ?? "";
    const begun = await this.#begin(claim, plan);
    events.record(about, "Normal", "Resizing", `External resizer is resizing volume ${name}`);
    try {
      const expanded = await this.#expand(volume, plan.volumeHandle, plan.required_bytes);
      this.#refused.delete(key);
      await this.#record(begun, volume, expanded, plan.size);
      const { nodeExpansionRequired } = expanded;
      const [reason, text] = nodeExpansionRequired
        ? ["FileSystemResizeRequired", "Require file system resize of volume on node"]
        : ["VolumeResizeSuccessful", "Resize volume succeeded"];
      events.record(about, "Normal", reason!, text!);
    } catch (thrown) {
      const why = `resize volume "${name}" failed: ${rpcErrorText(thrown)}`;
      events.record(about, "Warning", "VolumeResizeFailed", why);
      if (!isRefusal(thrown) && !(thrown instanceof ProvisioningError)) {
        this.#refused.delete(key);
        throw thrown;
      }
      this.#refused.add(key);
      const infeasible = isInfeasibleSize(thrown);
      await this.#recordRefusal(begun, infeasible, why);
      // Only another size helps, which brings the claim back immediately.
      if (infeasible) return { again_ms: RETRY_MS_MAX };
      throw thrown;
    }
  }

  /** Records an attempt before the driver is called. */
  #begin(
    claim: PersistentVolumeClaim,
    { size, repeats }: { size: string; repeats: boolean },
  ): Promise<PersistentVolumeClaim> {
    const fields = {
      allocatedResources: { storage: size },
      allocatedResourceStatuses: { storage: "ControllerResizeInProgress" },
    };
    return this.#patch(claim, {
      fields: repeats ? {} : fields,
      without: repeats ? [] : ENDED,
      with: { [RESIZING]: "" },
    });
  }

  #patch(claim: PersistentVolumeClaim, change: ClaimStatusChange): Promise<PersistentVolumeClaim> {
    const { client, clock } = this.#options;
    return patchClaimStatus(client, claim, change, clock.now());
  }

  /** Records a refusal, after which the claim may request another size, also a smaller one. */
  async #recordRefusal(
    claim: PersistentVolumeClaim,
    infeasible: boolean,
    message: string,
  ): Promise<void> {
    const allocatedResourceStatuses = { storage: "ControllerResizeInfeasible" };
    await this.#patch(claim, {
      fields: infeasible ? { allocatedResourceStatuses } : {},
      without: [],
      with: { ControllerResizeError: message },
    });
  }

  /** Throws ProvisioningError if the driver gives less than it is asked for. */
  async #expand(
    volume: PersistentVolume,
    volumeId: string,
    requiredBytes: number,
  ): Promise<ControllerExpandVolumeResponse> {
    const source = csiSourceOf(volume);
    const { driver, client } = this.#options;
    const mode = accessModeOf(volume.spec.accessModes?.[0] ?? "", driver.capabilities);
    const mount = { fsType: source?.fsType ?? "" };
    const how = volume.spec.volumeMode === "Block" ? { block: {} } : { mount };
    const reference = source?.controllerExpandSecretRef;
    const answer = await driver.controller.controllerExpandVolume(
      {
        volumeId,
        capacityRange: { requiredBytes },
        volumeCapability: { ...how, accessMode: { mode } },
        secrets: reference ? await secretOf(client, reference) : {},
      },
      { timeout_ms: CONTROLLER_CALL_TIMEOUT_MS },
    );
    // 0 is an unknown capacity.
    const capacityBytes = answer.capacityBytes || requiredBytes;
    if (capacityBytes >= requiredBytes) return { ...answer, capacityBytes };
    const message = `the driver has given ${capacityBytes} of ${requiredBytes} bytes`;
    throw new ProvisioningError("BadDriver", message);
  }

  /** Updates the volume first: a claim never reports more capacity than its volume. */
  async #record(
    claim: PersistentVolumeClaim,
    volume: PersistentVolume,
    { capacityBytes, nodeExpansionRequired }: ControllerExpandVolumeResponse,
    asked: string,
  ): Promise<void> {
    const volumes = this.#options.client.resource(PERSISTENT_VOLUMES);
    const storage = quantityOf(capacityBytes, "binary");
    await volumes.patch(nameOf(volume), "merge", { spec: { capacity: { storage } } });
    if (!nodeExpansionRequired) return void (await this.#finish(claim, storage, asked));
    await this.#patch(claim, {
      fields: { allocatedResourceStatuses: { storage: "NodeResizePending" } },
      without: ["ControllerResizeError"],
      with: {
        FileSystemResizePending:
          "Waiting for user to (re-)start a pod to finish file " +
          "system resize of volume on node.",
      },
    });
  }

  /** A quota counts what was asked for, not a capacity to which the driver rounded that. */
  #finish(
    claim: PersistentVolumeClaim,
    storage: string,
    asked: string,
  ): Promise<PersistentVolumeClaim> {
    return this.#patch(claim, {
      fields: {
        capacity: { storage },
        allocatedResources: { storage: asked },
        allocatedResourceStatuses: null,
      },
      without: [RESIZING, ...ENDED],
    });
  }
}
