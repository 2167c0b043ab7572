import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { quantityOf } from "@raft2kube/std/quantity.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import {
  PERSISTENT_VOLUMES,
  PERSISTENT_VOLUME_CLAIMS,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { runWorkers } from "@raft2kube/client-kube/workqueue/work-loop.ts";
import { WorkQueue } from "@raft2kube/client-kube/workqueue/workqueue.ts";
import { accessModeOf } from "./access-mode.ts";
import type { DriverIdentity } from "./driver-identity.ts";
import {
  CONTROLLER_CALL_TIMEOUT_MS,
  RESIZE_WORKERS,
  RETRY_MS_MAX,
  RETRY_MS,
} from "./limits.ts";
import type { SidecarOptions } from "./sidecar-options.ts";
import { referenceTo } from "./object-reference.ts";
import { ProvisioningError } from "./provisioning-error.ts";
import { planResize } from "./resize-plan.ts";
import { rpcErrorText } from "./rpc-error-text.ts";
import { ownerOf, type VolumeOwner } from "./volume-plan.ts";

/** Grows the volumes of claims that ask for more than they have. */
export class Resizer {
  readonly #client: KubeClient;
  readonly #driver: DriverIdentity;
  readonly #owner: VolumeOwner;
  readonly #informers: InformerSet;
  readonly #events: EventRecorder;
  readonly #queue: WorkQueue;
  #working: Promise<void> = Promise.resolve();

  constructor(options: SidecarOptions) {
    this.#client = options.client;
    this.#driver = options.driver;
    this.#owner = ownerOf(options.driver, options.nodeName);
    this.#informers = options.informers;
    this.#events = options.events;
    const { clock } = options;
    this.#queue = new WorkQueue({ clock, backoff_ms: RETRY_MS, backoffMax_ms: RETRY_MS_MAX });
  }

  /** Starts the workers; they wait until the informers are synced. */
  start(): void {
    const claims = this.#informers.of<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS);
    const changed = (claim: PersistentVolumeClaim) => this.#queue.add(keyOf(claim));
    claims.handle({ added: changed, updated: changed });
    const resize = (key: string) => this.#resize(key);
    this.#working = runWorkers("csi-resize", this.#queue, RESIZE_WORKERS, resize);
  }

  async close(): Promise<void> {
    this.#queue.close();
    await this.#working;
  }

  async #resize(key: string): Promise<void> {
    const claims = this.#informers.of<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS);
    const volumes = this.#informers.of<PersistentVolume>(PERSISTENT_VOLUMES);
    const claim = claims.store.get(key);
    if (!claim) return;
    const volume = volumes.store.get(claim.spec.volumeName ?? "");
    const plan = planResize(claim, volume, this.#owner);
    if (plan.act === "leave" || !volume) return;
    const about = referenceTo("PersistentVolumeClaim", claim);
    const name = volume.metadata.name ?? "";
    try {
      const size_bytes = await this.#expand(volume, plan.volumeHandle, plan.required_bytes);
      await this.#record(claim, volume, quantityOf(size_bytes, "binary"));
      this.#events.record(about, "Normal", "VolumeResizeSuccessful", "Resize volume succeeded");
    } catch (thrown) {
      const why = `resize volume "${name}" failed: ${rpcErrorText(thrown)}`;
      this.#events.record(about, "Warning", "VolumeResizeFailed", why);
      throw thrown;
    }
  }

  async #expand(
    volume: PersistentVolume,
    volumeId: string,
    requiredBytes: number,
  ): Promise<number> {
    const mode = accessModeOf(volume.spec.accessModes?.[0] ?? "", this.#driver.capabilities);
    const fsType = volume.spec.csi?.fsType ?? "";
    const expanded = await this.#driver.controller.controllerExpandVolume(
      {
        volumeId,
        capacityRange: { requiredBytes },
        volumeCapability: { mount: { fsType }, accessMode: { mode } },
      },
      { timeout_ms: CONTROLLER_CALL_TIMEOUT_MS },
    );
    if (expanded.nodeExpansionRequired) {
      const message = "the driver wants to expand the file system on the node: not supported yet";
      throw new ProvisioningError("NodeExpansion", message);
    }
    return expanded.capacityBytes;
  }

  /** Updates the volume first: a claim never reports more capacity than its volume. */
  async #record(
    claim: PersistentVolumeClaim,
    volume: PersistentVolume,
    storage: string,
  ): Promise<void> {
    const volumes = this.#client.resource<PersistentVolume>(PERSISTENT_VOLUMES);
    const claims = this.#client.resource<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS);
    await volumes.patch(nameOf(volume), "merge", { spec: { capacity: { storage } } });
    const subresource = { ...nameOf(claim), subresource: "status" };
    await claims.patch(subresource, "merge", { status: { capacity: { storage } } });
  }
}
