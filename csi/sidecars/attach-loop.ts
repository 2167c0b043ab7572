import type { PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import type { CSINode, VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import { isConflict, isNotFound, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { translateVolume } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { type KubeObject, keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import {
  CSI_NODES,
  PERSISTENT_VOLUMES,
  VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { runWorkers } from "@raft2kube/client-kube/workers.ts";
import { ControllerServiceCapability_RPC_Type as Rpc } from "@raft2kube/proto/gen/csi.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { attacherFinalizer, nodeIdOf, planAttachment, publishRequest } from "./attach-plan.ts";
import { ATTACH_WORKERS, CONTROLLER_CALL_TIMEOUT_MS, RETRY } from "./limits.ts";
import { NODE_ID } from "./names.ts";
import { ProvisioningError } from "./provisioning-error.ts";
import { rpcErrorText } from "./rpc-error-text.ts";
import { secretOf } from "./secret.ts";
import type { SidecarOptions } from "./sidecar-options.ts";

type Attachments = ResourceClient<VolumeAttachment>;

/**
 * Carries out the VolumeAttachments of one driver: ControllerPublishVolume for each, and
 * ControllerUnpublishVolume before it goes. The volumes of a driver without these calls count as
 * attached. State is in the objects alone: each step can be repeated after a restart.
 */
export class Attacher {
  readonly #options: SidecarOptions;
  readonly #attachments: Informer<VolumeAttachment>;
  readonly #volumes: Informer<PersistentVolume>;
  readonly #writer: Attachments;
  readonly #volumeWriter: ResourceClient<PersistentVolume>;
  readonly #finalizer: string;
  readonly #queue: WorkQueue;
  readonly #volumeQueue: WorkQueue;
  /** Revisions of attachments that were written here, which the informer may not show yet. */
  readonly #written = new Map<string, number>();
  #working: Promise<unknown> = Promise.resolve();

  constructor(options: SidecarOptions) {
    this.#options = options;
    const { client, clock, driver, informers } = options;
    this.#attachments = informers.of(VOLUME_ATTACHMENTS);
    this.#volumes = informers.of(PERSISTENT_VOLUMES);
    this.#writer = client.resource(VOLUME_ATTACHMENTS);
    this.#volumeWriter = client.resource(PERSISTENT_VOLUMES);
    this.#finalizer = attacherFinalizer(driver.name);
    const backOff = { clock, pauses: RETRY };
    this.#queue = new WorkQueue({ ...backOff, workers: ATTACH_WORKERS });
    this.#volumeQueue = new WorkQueue(backOff);
  }

  /** Starts the workers; the informers must be synced. */
  start(): void {
    const volumeOf = ({ spec }: VolumeAttachment) => {
      const name = spec.source.persistentVolumeName;
      if (name !== undefined) this.#volumeQueue.add(name);
    };
    const look = (each: VolumeAttachment) => this.#queue.add(keyOf(each));
    const deleted = (each: VolumeAttachment) => {
      this.#written.delete(keyOf(each));
      volumeOf(each);
    };
    this.#attachments.handle({ added: look, updated: look, deleted });
    const volume = (each: PersistentVolume) => this.#volumeQueue.add(keyOf(each));
    this.#volumes.handle({ added: volume, updated: volume });
    const reconcile = (key: string) => this.#reconcile(key);
    const release = (key: string) => this.#releaseVolume(key);
    this.#working = Promise.all([
      runWorkers("csi-attach", this.#queue, reconcile),
      runWorkers("csi-attached-volumes", this.#volumeQueue, release),
    ]);
  }

  async close(): Promise<void> {
    this.#queue.close();
    this.#volumeQueue.close();
    await this.#working;
  }

  async #reconcile(key: string): Promise<void> {
    const attachment = this.#attachments.store.get(key);
    // The informer's next change of it comes back here.
    if (!attachment || this.#isOld(attachment)) return;
    const { driver } = this.#options;
    const plan = planAttachment(attachment, driver.name);
    if (plan === "leave") return;
    const publishes = driver.capabilities.has(Rpc.PUBLISH_UNPUBLISH_VOLUME);
    try {
      if (plan === "detach") await this.#detach(attachment, publishes);
      else if (publishes) await this.#attach(attachment);
      else await this.#setStatus(attachment, { attached: true });
    } catch (thrown) {
      // Another write was faster: nothing is wrong with the volume.
      if (isConflict(thrown)) throw thrown;
      await this.#saveError(attachment, plan === "attach" ? "attachError" : "detachError", thrown);
      throw thrown;
    }
  }

  /** Marks the volume and the attachment, so that neither goes before the volume is detached. */
  async #attach(attachment: VolumeAttachment): Promise<void> {
    const { driver } = this.#options;
    const { volume, stored } = this.#volumeOf(attachment);
    if (stored?.metadata.deletionTimestamp) {
      const message = `PersistentVolume "${stored.metadata.name}" is marked for deletion`;
      throw new ProvisioningError("Deleting", message);
    }
    const [csiNode, secrets] = await Promise.all([
      this.#csiNode(attachment),
      this.#secrets(volume),
    ]);
    const nodeId = nodeIdOf(attachment, csiNode);
    const request = publishRequest(volume, nodeId, secrets, driver.capabilities);
    const [marked] = await Promise.all([
      this.#mark(this.#writer, attachment, { [NODE_ID]: nodeId }).then((each) => this.#wrote(each)),
      stored && this.#mark(this.#volumeWriter, stored, {}),
    ]);
    const timeout_ms = CONTROLLER_CALL_TIMEOUT_MS;
    const answer = await driver.controller.controllerPublishVolume(request, { timeout_ms });
    const attachmentMetadata = answer.publishContext;
    await this.#setStatus(marked, { attached: true, attachmentMetadata });
  }

  async #detach(attachment: VolumeAttachment, publishes: boolean): Promise<void> {
    if (publishes) {
      const { volume } = this.#volumeOf(attachment);
      const nodeId = nodeIdOf(attachment, await this.#csiNode(attachment));
      const volumeId = volume.spec.csi!.volumeHandle;
      const request = { volumeId, nodeId, secrets: await this.#secrets(volume) };
      const timeout_ms = CONTROLLER_CALL_TIMEOUT_MS;
      await this.#options.driver.controller.controllerUnpublishVolume(request, { timeout_ms });
    }
    const left = await this.#unmark(this.#writer, attachment);
    if (left) this.#wrote(left);
  }

  /**
   * The volume with its CSI source, and the PersistentVolume as it is stored. An attachment of a
   * volume that a pod names without a claim contains the volume, and nothing is stored.
   */
  #volumeOf({ spec }: VolumeAttachment): { volume: PersistentVolume; stored?: PersistentVolume } {
    const { persistentVolumeName: name, inlineVolumeSpec: inline } = spec.source;
    if (name === undefined && inline?.csi?.driver === spec.attacher) {
      return { volume: { metadata: {}, spec: inline } };
    }
    const stored = this.#volumes.store.get(name ?? "");
    const volume = stored && translateVolume(stored);
    if (stored && volume?.spec.csi?.driver === spec.attacher) return { volume, stored };
    const message = `persistentvolume "${name ?? "(inline)"}" of driver ${spec.attacher} not found`;
    throw new ProvisioningError("NotFound", message);
  }

  /** The driver may have been added to its node just now, or the node be gone. */
  async #csiNode({ spec }: VolumeAttachment): Promise<CSINode | undefined> {
    const { client, informers } = this.#options;
    const known = informers.of(CSI_NODES).store.get(spec.nodeName);
    if (known?.spec.drivers.some(({ name }) => name === spec.attacher)) return known;
    const nodes = client.resource(CSI_NODES);
    return undefinedIfNotFound(nodes.get({ name: spec.nodeName }));
  }

  #secrets({ spec }: PersistentVolume): Promise<Record<string, string>> {
    return secretOf(this.#options.client, spec.csi?.controllerPublishSecretRef);
  }

  async #mark<T extends KubeObject>(
    writer: ResourceClient<T>,
    object: T,
    wanted: Record<string, string>,
  ): Promise<T> {
    const { finalizers = [], annotations = {} } = object.metadata;
    const noted = Object.entries(wanted).every(([key, value]) => annotations[key] === value);
    if (finalizers.includes(this.#finalizer) && noted) return object;
    const metadata = {
      ...object.metadata,
      finalizers: [...finalizers.filter((each) => each !== this.#finalizer), this.#finalizer],
      annotations: { ...annotations, ...wanted },
    };
    return writer.update({ ...object, metadata });
  }

  async #unmark<T extends KubeObject>(
    writer: ResourceClient<T>,
    object: T,
  ): Promise<T | undefined> {
    const finalizers = (object.metadata.finalizers ?? []).filter(
      (each) => each !== this.#finalizer,
    );
    const metadata = { ...object.metadata, finalizers };
    return undefinedIfNotFound(writer.update({ ...object, metadata }));
  }

  #wrote(attachment: VolumeAttachment): VolumeAttachment {
    // Its last event may have come before the answer.
    const { uid, resourceVersion } = attachment.metadata;
    const key = keyOf(attachment);
    const isThere = this.#attachments.store.get(key)?.metadata.uid === uid;
    if (isThere) this.#written.set(key, Number(resourceVersion));
    return attachment;
  }

  #isOld({ metadata }: VolumeAttachment): boolean {
    return Number(metadata.resourceVersion) < (this.#written.get(metadata.name ?? "") ?? 0);
  }

  async #setStatus(
    attachment: VolumeAttachment,
    status: NonNullable<VolumeAttachment["status"]>,
  ): Promise<void> {
    this.#wrote(await this.#writer.updateStatus({ ...attachment, status }));
  }

  /** Shows in the attachment's status why a call failed; one that repeats is written once. */
  async #saveError(
    attachment: VolumeAttachment,
    field: "attachError" | "detachError",
    thrown: unknown,
  ): Promise<void> {
    const message = rpcErrorText(thrown);
    if (attachment.status?.[field]?.message === message) return;
    const isOfDriver = field === "attachError" && thrown instanceof RpcError;
    const errorCode = isOfDriver && thrown.status > 0 ? { errorCode: thrown.status } : {};
    const error = { message, time: timeText(this.#options.clock.now()), ...errorCode };
    const name = { ...nameOf(attachment), subresource: "status" };
    const attached = attachment.status?.attached ?? false;
    await tolerate(
      this.#writer.patch(name, "merge", { status: { attached, [field]: error } }),
      isNotFound,
    );
  }

  /** Lets a volume go that is being deleted, once no attachment refers to it. */
  async #releaseVolume(key: string): Promise<void> {
    const volume = this.#volumes.store.get(key);
    if (!volume?.metadata.deletionTimestamp) return;
    if (!volume.metadata.finalizers?.includes(this.#finalizer)) return;
    const isOf = ({ spec }: VolumeAttachment) => spec.source.persistentVolumeName === key;
    if (this.#attachments.store.list().some(isOf)) return;
    // The informer may be late.
    if ((await this.#writer.listAll({})).items.some(isOf)) return;
    await this.#unmark(this.#volumeWriter, volume);
  }
}
