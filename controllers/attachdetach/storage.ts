import type {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
} from "@raft2kube/api/gen/core/v1.ts";
import type { CSIDriver, CSINode, VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import {
  attachmentName,
  CONTROLLER_ATTACHES,
  handleOfName,
  inlineVolumesOf,
  isCsiVolumeName,
  uniqueNameOf,
} from "@raft2kube/client-kube/object/attachments.ts";
import { csiSourceOf } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { isPodTerminal } from "@raft2kube/client-kube/object/pod-state.ts";
import { claimNameOf } from "@raft2kube/client-kube/object/volumes.ts";
import {
  CSI_DRIVERS,
  CSI_NODES,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext } from "../context.ts";
import { byNode, NODE_INDEX } from "../indexes.ts";

const BY_CLAIM = "claim";
const BY_NAME = "unique-name";
const BY_VOLUME = "volume";
const BY_ATTACHED = "attached";

/** The informers of attaching, and the ways from one kind to another. */
export class AttachedStorage {
  readonly pods: Informer<Pod>;
  readonly claims: Informer<PersistentVolumeClaim>;
  readonly volumes: Informer<PersistentVolume>;
  readonly drivers: Informer<CSIDriver>;
  readonly nodes: Informer<Node>;
  readonly csiNodes: Informer<CSINode>;
  readonly attachments: Informer<VolumeAttachment>;

  constructor({ informers }: ControllerContext) {
    this.pods = informers.of(PODS);
    this.claims = informers.of(PERSISTENT_VOLUME_CLAIMS);
    this.volumes = informers.of(PERSISTENT_VOLUMES);
    this.drivers = informers.of(CSI_DRIVERS);
    this.nodes = informers.of(NODES);
    this.csiNodes = informers.of(CSI_NODES);
    this.attachments = informers.of(VOLUME_ATTACHMENTS);
    this.pods.index(NODE_INDEX, byNode);
    this.pods.index(BY_CLAIM, claimKeys);
    this.pods.index(BY_NAME, inlineNames);
    this.volumes.index(BY_NAME, namesOf);
    this.attachments.index(BY_VOLUME, ({ spec }) =>
      [spec.source.persistentVolumeName ?? []].flat(),
    );
    this.attachments.index(BY_NAME, (attachment) => namesOf(inlineOf(attachment)));
    this.attachments.index(NODE_INDEX, ({ spec }) => [spec.nodeName]);
    this.nodes.index(BY_ATTACHED, listedVolumes);
  }

  /**
   * The PersistentVolumes of a unique name: usually one. If there is none, that which a pod names
   * without a claim.
   */
  volumesNamed(unique: string): PersistentVolume[] {
    const stored = this.volumes.store.by(BY_NAME, unique);
    if (stored.length > 0) return stored;
    const [pod] = this.pods.store.by(BY_NAME, unique);
    return [(pod && inlineVolumesOf(pod).get(unique)) ?? []].flat();
  }

  /** The unique names of a pod's volumes: those its claims are bound to, and inline ones. */
  volumesOfPod(pod: Pod): string[] {
    return [
      ...claimKeys(pod).flatMap((key) => this.volumeOfClaim(this.claims.store.get(key)) ?? []),
      ...inlineNames(pod),
    ];
  }

  volumeOfClaim(claim: PersistentVolumeClaim | undefined): string | undefined {
    const volume = this.volumes.store.get(claim?.spec.volumeName ?? "");
    return volume && uniqueNameOf(volume);
  }

  nameOf(volume: PersistentVolume): string | undefined {
    return uniqueNameOf(volume);
  }

  volumesOfDriver(name: string): string[] {
    const stored = this.volumes.store.list().flatMap(namesOf);
    return [...stored, ...this.pods.store.list().flatMap(inlineNames)].filter(
      (unique) => handleOfName(unique).driver === name,
    );
  }

  volumeOfAttachment(attachment: VolumeAttachment): string | undefined {
    const { spec } = attachment;
    const volume =
      inlineOf(attachment) ?? this.volumes.store.get(spec.source.persistentVolumeName ?? "");
    const csi = volume && csiSourceOf(volume);
    return volume && csi?.driver === spec.attacher ? uniqueNameOf(volume) : undefined;
  }

  /** The unique names of all volumes that a node wants, has, or says that it has. */
  volumesOfNode(node: Node): string[] {
    const { name = "" } = node.metadata;
    const attached = this.attachments.store.by(NODE_INDEX, name);
    return [
      ...listedVolumes(node),
      ...attached.flatMap((each) => this.volumeOfAttachment(each) ?? []),
      ...this.pods.store.by(NODE_INDEX, name).flatMap((pod) => this.volumesOfPod(pod)),
    ];
  }

  /** The unique names of the volumes that a node's pods name without claims. */
  inlineVolumesOn(nodeName: string): string[] {
    return this.pods.store.by(NODE_INDEX, nodeName).flatMap(inlineNames);
  }

  /**
   * The attachments of a volume, under the names that this controller gives them, by node. Those of
   * a PersistentVolume that was deleted are found when no other has the volume, and on `nodes`.
   */
  attachmentsOf(unique: string, nodes: readonly string[]): Map<string, VolumeAttachment> {
    const { driver, volumeHandle } = handleOfName(unique);
    const nameOn = (node: string) => attachmentName(driver, volumeHandle, node);
    const volumes = this.volumesNamed(unique);
    const all =
      volumes.length === 0
        ? this.#attachmentsWithoutVolume(driver)
        : volumes.flatMap(({ metadata: { name = "" } }) =>
            this.attachments.store.by(BY_VOLUME, name),
          );
    const known = nodes.flatMap((node) => this.attachments.store.get(nameOn(node)) ?? []);
    const inline = this.attachments.store.by(BY_NAME, unique);
    return new Map(
      [...known, ...inline, ...all]
        .filter(({ metadata, spec }) => metadata.name === nameOn(spec.nodeName))
        .map((each) => [each.spec.nodeName, each]),
    );
  }

  #attachmentsWithoutVolume(driver: string): VolumeAttachment[] {
    return this.attachments.store
      .list()
      .filter(
        (each) => each.spec.attacher === driver && this.volumeOfAttachment(each) === undefined,
      );
  }

  nodesListing(unique: string): string[] {
    return this.nodes.store.by(BY_ATTACHED, unique).map(keyOf);
  }

  /**
   * Pods that need a volume to be attached to their nodes, the oldest first: bound to it by their
   * claim, or naming it without one where its driver is; not ended, on nodes whose kubelets leave
   * attaching to the controller. Each with the volume as it has it: the PersistentVolume for a
   * claim alone. A pod that names another's handle must not act through that PersistentVolume,
   * whose secrets and whose deletion are not the pod's.
   */
  podsNeeding(unique: string): Map<Pod, PersistentVolume> {
    const { driver } = handleOfName(unique);
    if (this.drivers.store.get(driver)?.spec.attachRequired === false) return new Map();
    const inline = this.pods.store
      .by(BY_NAME, unique)
      .filter((pod) => this.#attaches(pod) && this.#isServed(unique, pod.spec.nodeName ?? ""))
      .map((pod) => [pod, inlineVolumesOf(pod).get(unique)!] as const);
    const claimed = this.volumes.store
      .by(BY_NAME, unique)
      .flatMap((volume) => this.#podsOf(volume).map((pod) => [pod, volume] as const));
    const found = new Map([...inline, ...claimed]);
    return new Map([...found].sort(([a], [b]) => (createdAt(a) < createdAt(b) ? -1 : 1)));
  }

  #podsOf(volume: PersistentVolume): Pod[] {
    const { namespace = "", name = "", uid } = volume.spec.claimRef ?? {};
    const claim = this.claims.store.get(`${namespace}/${name}`);
    if (!claim || claim.metadata.uid !== uid || claim.status?.phase !== "Bound") return [];
    if (claim.spec.volumeName !== volume.metadata.name) return [];
    return this.pods.store
      .by(BY_CLAIM, keyOf(claim))
      .filter((pod) => this.#attaches(pod) && mayUse(pod, claim));
  }

  /**
   * Whether a node has the driver of a volume, or has the volume attached already: a driver may
   * restart. Else a pod that names volumes would make objects that no driver removes.
   */
  #isServed(unique: string, nodeName: string): boolean {
    const { driver, volumeHandle } = handleOfName(unique);
    const known = this.csiNodes.store.get(nodeName)?.spec.drivers ?? [];
    return (
      known.some(({ name }) => name === driver) ||
      this.attachments.store.get(attachmentName(driver, volumeHandle, nodeName)) !== undefined
    );
  }

  /** Whether a pod needs its volumes on a node whose kubelet leaves attaching to the controller. */
  #attaches(pod: Pod): boolean {
    const node = this.nodes.store.get(pod.spec.nodeName ?? "");
    return node?.metadata.annotations?.[CONTROLLER_ATTACHES] !== undefined && !hasEnded(pod);
  }
}

function namesOf(volume: PersistentVolume | undefined): string[] {
  return [(volume && uniqueNameOf(volume)) ?? []].flat();
}

const inlineNames = (pod: Pod): string[] => [...inlineVolumesOf(pod).keys()];

function inlineOf({ spec }: VolumeAttachment): PersistentVolume | undefined {
  const { inlineVolumeSpec } = spec.source;
  return inlineVolumeSpec && { metadata: {}, spec: inlineVolumeSpec };
}

function listedVolumes({ status }: Node): string[] {
  return (status?.volumesAttached ?? []).map(({ name }) => name).filter(isCsiVolumeName);
}

function claimKeys(pod: Pod): string[] {
  const { namespace = "" } = pod.metadata;
  const names = (pod.spec.volumes ?? []).flatMap((volume) => claimNameOf(pod, volume) ?? []);
  return names.map((name) => `${namespace}/${name}`);
}

/** The claim of an ephemeral volume must have been created for this very pod. */
function mayUse(pod: Pod, claim: PersistentVolumeClaim): boolean {
  return (pod.spec.volumes ?? []).some(
    (volume) =>
      claimNameOf(pod, volume) === claim.metadata.name &&
      (!volume.ephemeral || controllerOf(claim)?.uid === pod.metadata.uid),
  );
}

/** Whether a pod no longer needs its volumes (upstream's IsPodTerminated). */
function hasEnded(pod: Pod): boolean {
  if (isPodTerminal(pod)) return true;
  if (!pod.metadata.deletionTimestamp) return false;
  return (pod.status?.containerStatuses ?? []).every(
    ({ state }) => state?.terminated !== undefined || state?.waiting !== undefined,
  );
}

function createdAt({ metadata }: Pod): string {
  return `${metadata.creationTimestamp ?? ""} ${metadata.namespace}/${metadata.name}`;
}
