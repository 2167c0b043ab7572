import type {
  Event,
  PersistentVolumeAccessMode,
  PersistentVolumeSpec,
  Volume,
} from "@raft2kube/api/gen/core/v1.ts";
import type { VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import { isConflict, isNotFound, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import {
  attachmentName,
  CONTROLLER_ATTACHES,
  uniqueVolumeName,
} from "@raft2kube/client-kube/object/attachments.ts";
import {
  MIGRATED_PLUGINS,
  migratedPlugins,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import {
  CSI_DRIVERS,
  CSI_NODES,
  EVENTS,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { runWorkers } from "@raft2kube/client-kube/workers.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { waitFor } from "../../../testing/wait.ts";
import type { ControlPlane } from "./control-plane.ts";

export const DRIVER = "disk.example.com";
/** A driver whose CSIDriver says that its volumes are not attached. */
export const LOCAL = "local.example.com";
export const namespace = "default";
export const TIMEOUT_MS = 60_000;
const FINALIZER = `external-attacher/${DRIVER.replaceAll(".", "-")}`;

type Basis = Pick<ControlPlane, "clock" | "admin">;

/** Volumes, pods and an external-attacher that are played for an attach-detach controller. */
export class AttachFixture {
  readonly #plane: Basis;
  readonly #attachments: Informer<VolumeAttachment>;
  readonly #queue: WorkQueue;
  #working: Promise<void> = Promise.resolve();
  /** PersistentVolumes that the driver does not attach, and its error. */
  readonly failing = new Map<string, string>();
  /** Nodes that each PersistentVolume is attached to, as the driver knows them. */
  readonly attached = new Map<string, Set<string>>();
  /** PersistentVolumes for one node that were attached to two at the same time. */
  readonly torn = new Set<string>();

  constructor(plane: Basis) {
    this.#plane = plane;
    const resource = this.#resource;
    this.#attachments = new Informer({ resource, clock: plane.clock });
    this.#queue = new WorkQueue({ clock: plane.clock });
  }

  async start(): Promise<void> {
    const drivers = this.#plane.admin.resource(CSI_DRIVERS);
    await drivers.create({ metadata: { name: DRIVER }, spec: {} });
    await drivers.create({ metadata: { name: LOCAL }, spec: { attachRequired: false } });
    const look = (each: VolumeAttachment) => this.#queue.add(keyOf(each));
    this.#attachments.handle({ added: look, updated: look });
    this.#attachments.start();
    this.#working = runWorkers("attacher", this.#queue, (key) => this.#carryOut(key));
  }

  async close(): Promise<void> {
    this.#queue.close();
    await this.#working;
    await this.#attachments.close();
  }

  get #resource() {
    return this.#plane.admin.resource(VOLUME_ATTACHMENTS);
  }

  /** Attaches and detaches as an external-attacher does. */
  async #carryOut(key: string): Promise<void> {
    const object = this.#attachments.store.get(key);
    if (!object) return;
    const { persistentVolumeName: name = "" } = object.spec.source;
    const nodes = this.attached.get(name) ?? new Set<string>();
    this.attached.set(name, nodes);
    try {
      if (object.metadata.deletionTimestamp) {
        nodes.delete(object.spec.nodeName);
        const finalizers = (object.metadata.finalizers ?? []).filter((each) => each !== FINALIZER);
        await this.#resource.update({ ...object, metadata: { ...object.metadata, finalizers } });
        return;
      }
      if (!object.metadata.finalizers?.includes(FINALIZER)) {
        const metadata = { ...object.metadata, finalizers: [FINALIZER] };
        await this.#resource.update({ ...object, metadata });
        return;
      }
      const message = this.failing.get(name);
      if (object.status?.attached) return;
      if (message !== undefined) {
        if (object.status?.attachError) return;
        const attachError = { time: new Date(this.#plane.clock.now()).toISOString(), message };
        await this.#resource.updateStatus({ ...object, status: { attached: false, attachError } });
        return;
      }
      nodes.add(object.spec.nodeName);
      if (nodes.size > 1 && !name.startsWith("shared")) this.torn.add(name);
      await this.#resource.updateStatus({ ...object, status: { attached: true } });
    } catch (thrown) {
      if (!isNotFound(thrown) && !isConflict(thrown)) throw thrown;
    }
  }

  /** Leaves the attaching of a node's volumes to the controller. */
  async manage(name: string): Promise<void> {
    const annotations = { [CONTROLLER_ATTACHES]: "true" };
    await this.#nodes.patch({ name }, "merge", { metadata: { annotations } });
  }

  get #nodes() {
    return this.#plane.admin.resource(NODES);
  }

  /** Creates a volume and a claim of the same name, bound to each other. */
  volume(name: string, mode: PersistentVolumeAccessMode, driver = DRIVER): Promise<void> {
    return this.#bind(name, [mode], { csi: { driver, volumeHandle: `handle-${name}` } });
  }

  async #bind(
    name: string,
    accessModes: PersistentVolumeAccessMode[],
    source: Partial<PersistentVolumeSpec>,
  ): Promise<void> {
    const storage = { storage: "1Gi" };
    await this.#plane.admin
      .resource(PERSISTENT_VOLUMES)
      .create({
        metadata: { name },
        spec: {
          accessModes,
          capacity: storage,
          storageClassName: name,
          persistentVolumeReclaimPolicy: "Retain",
          ...source,
        },
      });
    const claims = this.#plane.admin.resource(PERSISTENT_VOLUME_CLAIMS);
    await claims.create({
      metadata: { namespace, name },
      spec: { accessModes, storageClassName: name, resources: { requests: storage } },
    });
    await this.until(
      `claim ${name} to be bound`,
      async () => (await claims.get({ namespace, name })).status?.phase === "Bound",
    );
  }

  /** Registers a driver on a node whose kubelet takes in-tree volumes for CSI volumes. */
  async serve(node: string, driver: string): Promise<void> {
    const annotations = { [MIGRATED_PLUGINS]: migratedPlugins() };
    await this.#plane.admin
      .resource(CSI_NODES)
      .create({
        metadata: { name: node, annotations },
        spec: { drivers: [{ name: driver, nodeID: node, topologyKeys: [] }] },
      });
  }

  /** Creates a volume that was another namespace's, whose claim is gone. */
  async released(name: string, source: Partial<PersistentVolumeSpec>): Promise<void> {
    await this.#plane.admin
      .resource(PERSISTENT_VOLUMES)
      .create({
        metadata: { name },
        spec: {
          accessModes: ["ReadWriteOnce"],
          capacity: { storage: "1Gi" },
          persistentVolumeReclaimPolicy: "Retain",
          claimRef: { namespace: "other", name, uid: "gone" },
          ...source,
        },
      });
  }

  /** A pod that names volumes without claims. */
  async inlinePod(name: string, nodeName: string, sources: Omit<Volume, "name">[]): Promise<void> {
    await this.#pods.create({
      metadata: { namespace, name },
      spec: {
        nodeName,
        containers: [{ name: "c", image: "web:1" }],
        volumes: sources.map((source, index) => ({ name: `v${index}`, ...source })),
      },
    });
  }

  /** The attachments that are a driver's. */
  async attachmentsOf(driver: string): Promise<VolumeAttachment[]> {
    const { items } = await this.#resource.list();
    return items.filter(({ spec }) => spec.attacher === driver);
  }

  /** A pod `in-tree` on n1 with two disks of EBS: one of a claim, one that it names itself. */
  async inTree(claimed: string, inline: string): Promise<void> {
    const ebs = { awsElasticBlockStore: { volumeID: `aws://zone/${claimed}` } };
    await this.#bind("in-tree", ["ReadWriteOnce"], ebs);
    await this.#pods.create({
      metadata: { namespace, name: "in-tree" },
      spec: {
        nodeName: "n1",
        containers: [{ name: "c", image: "web:1" }],
        volumes: [
          { name: "claimed", persistentVolumeClaim: { claimName: "in-tree" } },
          { name: "inline", awsElasticBlockStore: { volumeID: inline } },
        ],
      },
    });
  }

  /** The attachment of a volume once it is attached and in the node's status. */
  async attachedBy(driver: string, handle: string, node: string): Promise<VolumeAttachment> {
    const unique = uniqueVolumeName(driver, handle);
    await this.until(`${unique} on ${node}`, async () => {
      const { status } = await this.#nodes.get({ name: node });
      return status?.volumesAttached?.some(({ name }) => name === unique);
    });
    return this.#resource.get({ name: attachmentName(driver, handle, node) });
  }

  detachedBy(driver: string, handle: string, node: string): Promise<unknown> {
    const name = attachmentName(driver, handle, node);
    return this.until(
      `${handle} off ${node}`,
      async () => (await undefinedIfNotFound(this.#resource.get({ name }))) === undefined,
    );
  }

  /** Deletes a claim and then its volume, and waits until neither is there. */
  async deleteVolume(name: string): Promise<void> {
    const claims = this.#plane.admin.resource(PERSISTENT_VOLUME_CLAIMS);
    const volumes = this.#plane.admin.resource(PERSISTENT_VOLUMES);
    await claims.delete({ namespace, name });
    await this.until(
      `claim ${name} to be gone`,
      async () => (await undefinedIfNotFound(claims.get({ namespace, name }))) === undefined,
    );
    await volumes.delete({ name });
    await this.until(
      `volume ${name} to be gone`,
      async () => (await undefinedIfNotFound(volumes.get({ name }))) === undefined,
    );
  }

  async pod(name: string, claimName: string, nodeName: string): Promise<void> {
    await this.#pods.create({
      metadata: { namespace, name },
      spec: {
        nodeName,
        containers: [{ name: "c", image: "web:1" }],
        volumes: [{ name: "data", persistentVolumeClaim: { claimName } }],
      },
    });
  }

  get #pods() {
    return this.#plane.admin.resource(PODS);
  }

  /** Deletes a pod, unless an eviction was faster. */
  async deletePod(name: string): Promise<void> {
    await undefinedIfNotFound(this.#pods.delete({ namespace, name }, { gracePeriodSeconds: 0 }));
  }

  async attachment(volume: string, node: string): Promise<VolumeAttachment | undefined> {
    const name = attachmentName(DRIVER, `handle-${volume}`, node);
    const { items } = await this.#resource.list();
    return items.find(({ metadata }) => metadata.name === name);
  }

  /** Whether a node's status says that a volume is attached to it. */
  async isListed(volume: string, node: string): Promise<boolean> {
    const { status } = await this.#nodes.get({ name: node });
    const unique = uniqueVolumeName(DRIVER, `handle-${volume}`);
    return status?.volumesAttached?.some(({ name }) => name === unique) ?? false;
  }

  async isAttached(volume: string, node: string): Promise<boolean> {
    const found = await this.attachment(volume, node);
    return found?.status?.attached === true && (await this.isListed(volume, node));
  }

  untilAttached(volume: string, node: string): Promise<unknown> {
    return this.until(`${volume} on ${node}`, () => this.isAttached(volume, node));
  }

  untilDetached(volume: string, node: string): Promise<unknown> {
    return this.until(
      `${volume} off ${node}`,
      async () => (await this.attachment(volume, node)) === undefined,
    );
  }

  /** Reports as the kubelet of a node that it has these volumes in use. */
  async use(node: string, ...volumes: string[]): Promise<void> {
    const volumesInUse = volumes.map((each) => uniqueVolumeName(DRIVER, `handle-${each}`));
    const name = { name: node, subresource: "status" };
    await this.#nodes.patch(name, "merge", { status: { volumesInUse } });
  }

  event(pod: string, reason: string): Promise<Event> {
    const events = this.#plane.admin.resource(EVENTS);
    return this.until(`${reason} about ${pod}`, async () => {
      const { items } = await events.list({ namespace });
      return items.find((each) => each.reason === reason && each.involvedObject.name === pod);
    });
  }

  async until<T>(what: string, probe: () => Promise<T>) {
    const options = { clock: this.#plane.clock, timeout_ms: TIMEOUT_MS, interval_ms: 100 };
    return waitFor(what, probe, options) as Promise<Exclude<T, undefined | false>>;
  }

  async taint(name: string): Promise<void> {
    const taint = { key: "node.kubernetes.io/out-of-service", value: "x", effect: "NoExecute" };
    const { spec } = await this.#nodes.get({ name });
    const taints = [...(spec.taints ?? []), taint];
    await this.#nodes.patch({ name }, "merge", { spec: { taints } });
  }

  /** Changes an annotation of a node, so that controllers look at it. */
  async touch(name: string): Promise<void> {
    await this.#nodes.patch({ name }, "merge", { metadata: { annotations: { touched: "yes" } } });
  }

  untilNotReady(name: string): Promise<unknown> {
    return this.until(`${name} to be lost`, async () => {
      const { status } = await this.#nodes.get({ name });
      return status?.conditions?.find(({ type }) => type === "Ready")?.status !== "True";
    });
  }

  async deleteNode(name: string): Promise<void> {
    await this.#nodes.delete(nameOf({ metadata: { name } }));
  }
}
