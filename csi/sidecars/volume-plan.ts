import type { NodeSelectorTerm, PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import {
  csiSourceOf,
  orUndefined,
  provisionerIn,
  translateVolume,
  VOLUME_PROVISIONERS,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { PROVISIONER_NODE } from "@raft2kube/client-kube/object/volumes.ts";
import { STORAGE_CLASSES } from "@raft2kube/client-kube/rest/resources.ts";
import { PROVISIONER_FINALIZER } from "./names.ts";
import type { SidecarOptions } from "./sidecar-options.ts";

/** Owner of volumes: a driver and, where each node has its own, its topology. */
export interface VolumeOwner {
  driverName: string;
  /** Topology of this node; undefined if every volume of the driver is ours. */
  segments: Record<string, string> | undefined;
  /** Whether the volumes of a class are ours, for a driver without topology. */
  hasClass?: (name: string) => boolean;
}

/** Returns the owner of a sidecar: of all volumes of its driver, or of those of its node. */
export function ownerOf({
  driver: { name: driverName, hasTopology, topology },
  nodeName,
  informers,
}: Pick<SidecarOptions, "driver" | "nodeName" | "informers">): VolumeOwner {
  if (nodeName === undefined) return { driverName, segments: undefined };
  if (hasTopology) return { driverName, segments: topology };
  const { store } = informers.of(STORAGE_CLASSES);
  const hasClass = (name: string) => isProvisionedBy(store.get(name), nodeName);
  return { driverName, segments: undefined, hasClass };
}

/** Whether a class names the node as that of its provisioner. */
export function isProvisionedBy(storageClass: StorageClass | undefined, node: string): boolean {
  return storageClass?.metadata.labels?.[PROVISIONER_NODE] === node;
}

/**
 * Whether to delete a PersistentVolume's storage: it is released, its policy is Delete, and it is
 * the owner's. Pure.
 */
export function isToBeDeleted(volume: PersistentVolume, owner: VolumeOwner): boolean {
  const { metadata, spec, status } = volume;
  if (spec.persistentVolumeReclaimPolicy !== "Delete" || status?.phase !== "Released") return false;
  const finalized = metadata.finalizers?.includes(PROVISIONER_FINALIZER) ?? false;
  if (metadata.deletionTimestamp && !finalized) return false;
  return isOwn(volume, owner);
}

/**
 * Returns the finalizers that a volume of the owner is to have, if it has others: the policy may
 * have changed since it was created. To be deleted, a bound volume keeps its object until its
 * storage is gone; with another policy the object may go. Pure.
 */
export function changedFinalizers(
  volume: PersistentVolume,
  owner: VolumeOwner,
): string[] | undefined {
  const { metadata, spec, status } = volume;
  const { finalizers = [], deletionTimestamp } = metadata;
  const has = finalizers.includes(PROVISIONER_FINALIZER);
  const isDeleted = spec.persistentVolumeReclaimPolicy === "Delete";
  if (has === isDeleted || !isOwn(volume, owner)) return undefined;
  if (has) return finalizers.filter((each) => each !== PROVISIONER_FINALIZER);
  const isProtectable = !deletionTimestamp && status?.phase === "Bound";
  return isProtectable ? [...finalizers, PROVISIONER_FINALIZER] : undefined;
}

/** Whether the owner made the volume, or it was made by hand for the owner's driver. */
function isOwn(volume: PersistentVolume, owner: VolumeOwner): boolean {
  const by = provisionerIn(volume.metadata.annotations, VOLUME_PROVISIONERS);
  if ((by ?? volume.spec.csi?.driver) !== owner.driverName) return false;
  return csiSourceOf(volume)?.driver === owner.driverName && isReachable(volume, owner);
}

/**
 * Whether the volume is in the owner's topology: a term of its node affinity names exactly that.
 * Without topology its class decides.
 */
export function isReachable(
  volume: PersistentVolume,
  { segments, hasClass }: VolumeOwner,
): boolean {
  if (hasClass) return hasClass(volume.spec.storageClassName ?? "");
  const translated = orUndefined(() => translateVolume(volume));
  const terms = translated?.spec.nodeAffinity?.required?.nodeSelectorTerms;
  return segments === undefined || (terms ?? []).some((term) => matches(term, segments));
}

function matches(term: NodeSelectorTerm, segments: Record<string, string>): boolean {
  const expressions = term.matchExpressions ?? [];
  return expressions.every(({ key, operator, values }) => {
    const value = segments[key];
    return operator === "In" && value !== undefined && (values ?? []).includes(value);
  });
}
