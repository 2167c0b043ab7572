import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass, VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { SELECTED_NODE } from "@raft2kube/client-kube/object/volumes.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
  VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { runWorkers } from "@raft2kube/client-kube/workers.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type CreateVolumeRequest,
  ControllerServiceCapability_RPC_Type as Rpc,
} from "@raft2kube/proto/gen/csi.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { isUndecided } from "./call-outcome.ts";
import { planClaim } from "./claim-plan.ts";
import { volumeNameOf } from "./create-request.ts";
import { deleteVolume } from "./delete-volume.ts";
import {
  DELETE_WORKERS,
  OTHERS_TAKE_MS,
  PROVISION_WORKERS,
  RETRY,
  UNSEEN_MS_MAX,
} from "./limits.ts";
import { referenceTo } from "./object-reference.ts";
import { provision, requestFor } from "./provision.ts";
import { NODE_GONE, ORPHANED, ProvisioningError } from "./provisioning-error.ts";
import { RecentNames } from "./recent-names.ts";
import { rpcErrorText } from "./rpc-error-text.ts";
import type { SidecarOptions } from "./sidecar-options.ts";
import { assertAllowsSomeNode, isAllowed } from "./topology.ts";
import { changedFinalizers, isToBeDeleted, ownerOf, type VolumeOwner } from "./volume-plan.ts";

/**
 * Whether the volume of an attempt that failed may exist, without an object that shows it: the
 * driver has not decided, or it has created the volume and the API did not take the object, or it
 * has not deleted one that is not as requested.
 */
function mayHaveCreated({ request }: Attempt, thrown: unknown): boolean {
  if (request === undefined) return false;
  if (thrown instanceof ProvisioningError) return thrown.code === ORPHANED;
  return !(thrown instanceof RpcError) || isUndecided(thrown);
}

/** The event about a claim that is filled by a populator; the words are upstream's. */
const POPULATED = "Assuming an external populator will provision the volume";

/** A claim for which the driver is to create a volume. */
interface Attempt {
  claim: PersistentVolumeClaim;
  storageClass: StorageClass;
  selectedNode: string | undefined;
  /** The request, once it was sent. */
  request?: Init<CreateVolumeRequest>;
}

/** Provisions volumes for claims of one driver, and deletes released ones. */
export class Provisioner {
  readonly #options: SidecarOptions;
  readonly #owner: VolumeOwner;
  /** Attachments of a driver that attaches; its volumes are deleted when they have none. */
  readonly #attachments: Informer<VolumeAttachment> | undefined;
  readonly #claims: WorkQueue;
  readonly #volumes: WorkQueue;
  /**
   * Attempts whose volume may exist, by their claims' keys: each is repeated with the same request
   * until the driver decides, though claim, class or node are deleted meanwhile. Else the volume
   * would have no object by which it is found and deleted.
   */
  readonly #undecided = new Map<string, Attempt>();
  /** Volumes made here which the informer does not show yet. */
  readonly #made: RecentNames;
  /** Uids of volumes whose storage was deleted here, which the informer still shows. */
  readonly #deleted = new Set<string>();
  #working: Promise<unknown> = Promise.resolve();

  constructor(options: SidecarOptions) {
    this.#options = options;
    this.#owner = ownerOf(options);
    const { clock, driver, informers } = options;
    const attaches = driver.capabilities.has(Rpc.PUBLISH_UNPUBLISH_VOLUME);
    this.#attachments = attaches ? informers.of(VOLUME_ATTACHMENTS) : undefined;
    this.#made = new RecentNames(clock, UNSEEN_MS_MAX);
    const backOff = { clock, pauses: RETRY };
    this.#claims = new WorkQueue({ ...backOff, workers: PROVISION_WORKERS });
    this.#volumes = new WorkQueue({ ...backOff, workers: DELETE_WORKERS });
  }

  /** Starts the workers; they wait until the informers are synced. */
  start(): void {
    const { informers } = this.#options;
    const claims = informers.of(PERSISTENT_VOLUME_CLAIMS);
    const volumes = informers.of(PERSISTENT_VOLUMES);
    const classes = informers.of(STORAGE_CLASSES);
    const claimed = (claim: PersistentVolumeClaim) => this.#claims.add(keyOf(claim));
    const changed = (volume: PersistentVolume) => this.#volumes.add(keyOf(volume));
    claims.handle({ added: claimed, updated: claimed });
    volumes.handle({
      added: (volume) => {
        this.#made.delete(keyOf(volume));
        changed(volume);
      },
      updated: changed,
      deleted: ({ metadata }) => void this.#deleted.delete(metadata.uid ?? ""),
    });
    this.#attachments?.handle({
      deleted: ({ spec }) => this.#volumes.add(spec.source.persistentVolumeName ?? ""),
    });
    // A claim may be older than its class, which may also name another node's provisioner.
    const revisit = () => {
      claims.store.list().forEach(claimed);
      volumes.store.list().forEach(changed);
    };
    classes.handle({ added: revisit, updated: revisit });
    this.#working = Promise.all([
      runWorkers("csi-provision", this.#claims, (key) => this.#provision(key)),
      runWorkers("csi-delete", this.#volumes, (key) => this.#delete(key)),
    ]);
  }

  async close(): Promise<void> {
    this.#claims.close();
    this.#volumes.close();
    await this.#working;
  }

  async #provision(key: string): Promise<void> {
    const attempt = this.#undecided.get(key) ?? (await this.#begin(key));
    if (!attempt) return;
    if (this.#isMade(volumeNameOf(attempt.claim))) return this.#settle(key, attempt);
    await this.#provisionAndRecord(key, attempt);
  }

  #isMade(name: string): boolean {
    const volumes = this.#options.informers.of(PERSISTENT_VOLUMES);
    return volumes.store.get(name) !== undefined || this.#made.has(name);
  }

  /** Acts as planned for a claim; returns an attempt if a volume is to be created. */
  async #begin(key: string): Promise<Attempt | undefined> {
    const claims = this.#options.informers.of(PERSISTENT_VOLUME_CLAIMS);
    const claim = claims.store.get(key);
    if (!claim) return undefined;
    const classes = this.#options.informers.of(STORAGE_CLASSES);
    const storageClass = classes.store.get(claim.spec.storageClassName ?? "");
    const { name: driverName, hasTopology } = this.#options.driver;
    const plan = planClaim(claim, storageClass, {
      driverName,
      hasTopology,
      nodeName: this.#options.nodeName,
    });
    switch (plan.act) {
      case "leave":
        return undefined;
      case "selectNode":
        await this.#selectNode(key, claim, plan.storageClass);
        return undefined;
      case "populate": {
        const about = referenceTo("PersistentVolumeClaim", claim);
        this.#options.events.record(about, "Normal", "Provisioning", POPULATED);
        return undefined;
      }
      case "provision":
        return { claim, storageClass: plan.storageClass, selectedNode: plan.selectedNode };
      default:
        return plan satisfies never;
    }
  }

  /** Forgets an attempt that is decided. Another claim may have its claim's name by now. */
  #settle(key: string, { claim }: Attempt): void {
    this.#undecided.delete(key);
    const claims = this.#options.informers.of(PERSISTENT_VOLUME_CLAIMS);
    const { uid = claim.metadata.uid } = claims.store.get(key)?.metadata ?? {};
    if (uid !== claim.metadata.uid) this.#claims.add(key);
  }

  async #provisionAndRecord(key: string, attempt: Attempt): Promise<void> {
    const { claim, storageClass, selectedNode } = attempt;
    const about = referenceTo("PersistentVolumeClaim", claim);
    const starting = `External provisioner is provisioning volume for claim "${key}"`;
    this.#options.events.record(about, "Normal", "Provisioning", starting);
    try {
      attempt.request ??= await requestFor(this.#options, claim, storageClass, selectedNode);
      const name = await provision(this.#options, claim, storageClass, attempt.request);
      const volumes = this.#options.informers.of(PERSISTENT_VOLUMES);
      if (!volumes.store.get(name)) this.#made.add(name);
      this.#settle(key, attempt);
      const done = `Successfully provisioned volume ${name}`;
      this.#options.events.record(about, "Normal", "ProvisioningSucceeded", done);
    } catch (thrown) {
      this.#recordFailure(claim, storageClass, thrown);
      if (mayHaveCreated(attempt, thrown)) this.#undecided.set(key, attempt);
      else this.#settle(key, attempt);
      if (selectedNode === undefined || !this.#helpsElsewhere(thrown)) throw thrown;
      await this.#rejectNode(claim);
    }
  }

  #recordFailure(claim: PersistentVolumeClaim, { metadata }: StorageClass, thrown: unknown): void {
    const about = referenceTo("PersistentVolumeClaim", claim);
    const what = `failed to provision volume with StorageClass "${metadata.name ?? ""}"`;
    const text = `${what}: ${rpcErrorText(thrown)}`;
    this.#options.events.record(about, "Warning", "ProvisioningFailed", text);
  }

  /**
   * Selects this node for a claim, if its class allows it. Of two provisioners that do so, one gets
   * a conflict. A claim that no other node takes in OTHERS_TAKE_MS may be one for no node at all.
   */
  async #selectNode(
    key: string,
    claim: PersistentVolumeClaim,
    storageClass: StorageClass,
  ): Promise<void> {
    const { nodeName, driver, clock } = this.#options;
    if (nodeName === undefined) return;
    try {
      if (driver.hasTopology && !isAllowed(storageClass, driver.topology)) {
        const age_ms = clock.now() - (timeOf(claim.metadata.creationTimestamp) ?? 0);
        if (age_ms >= OTHERS_TAKE_MS) await assertAllowsSomeNode(this.#options, storageClass);
        else this.#claims.addAfter(key, OTHERS_TAKE_MS);
        return;
      }
    } catch (thrown) {
      this.#recordFailure(claim, storageClass, thrown);
      throw thrown;
    }
    await this.#annotate(claim, { ...claim.metadata.annotations, [SELECTED_NODE]: nodeName });
  }

  /** Whether provisioning may succeed for another node: this one is full, or gone. */
  #helpsElsewhere(thrown: unknown): boolean {
    if (!this.#options.driver.hasTopology) return false;
    if (thrown instanceof RpcError) return thrown.status === Status.RESOURCE_EXHAUSTED;
    return thrown instanceof ProvisioningError && thrown.code === NODE_GONE;
  }

  /** Removes the selected node, so that the scheduler chooses again. */
  async #rejectNode(claim: PersistentVolumeClaim): Promise<void> {
    const { [SELECTED_NODE]: _full, ...annotations } = claim.metadata.annotations ?? {};
    await this.#annotate(claim, annotations);
  }

  async #annotate(
    claim: PersistentVolumeClaim,
    annotations: Record<string, string>,
  ): Promise<void> {
    const claims = this.#options.client.resource(PERSISTENT_VOLUME_CLAIMS);
    await claims.update({ ...claim, metadata: { ...claim.metadata, annotations } });
  }

  async #delete(key: string): Promise<void> {
    const volumes = this.#options.informers.of(PERSISTENT_VOLUMES);
    const volume = volumes.store.get(key);
    if (!volume) return;
    const finalizers = changedFinalizers(volume, this.#owner);
    if (finalizers) {
      const writer = this.#options.client.resource(PERSISTENT_VOLUMES);
      const metadata = { ...volume.metadata, finalizers };
      return void (await undefinedIfNotFound(writer.update({ ...volume, metadata })));
    }
    if (!isToBeDeleted(volume, this.#owner)) return;
    const { uid = "" } = volume.metadata;
    if (this.#deleted.has(uid)) return;
    const isOf = ({ spec }: VolumeAttachment) => spec.source.persistentVolumeName === key;
    // The end of its last attachment comes back here.
    if (this.#attachments?.store.list().some(isOf)) return;
    try {
      await deleteVolume(this.#options.client, this.#options.driver, volume);
      if (volumes.store.get(key)?.metadata.uid === uid) this.#deleted.add(uid);
    } catch (thrown) {
      const about = referenceTo("PersistentVolume", volume);
      this.#options.events.record(about, "Warning", "VolumeFailedDelete", rpcErrorText(thrown));
      throw thrown;
    }
  }
}
