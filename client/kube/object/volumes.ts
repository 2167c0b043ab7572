import type {
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Volume,
} from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { compareQuantity } from "@raft2kube/std/quantity.ts";
import { keyOf } from "./object.ts";

/**
 * The rules by which claims and volumes find each other: scheduler and volume binder must agree.
 */

/**
 * Annotation of a claim: binding is finished; of a volume: the binder chose it, not the
 * administrator.
 */
export const BIND_COMPLETED = "pv.kubernetes.io/bind-completed";
export const BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller";

/**
 * Annotation of a claim, for provisioners: the node whose pod needs it; and the provisioner of its
 * class.
 */
export const SELECTED_NODE = "volume.kubernetes.io/selected-node";
export const STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner";
/** The older name of STORAGE_PROVISIONER, which some binders still set. */
export const STORAGE_PROVISIONER_BETA = "volume.beta.kubernetes.io/storage-provisioner";

/** Annotation of a volume: its provisioner. */
export const PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";

/**
 * Annotation of a class whose driver's volumes any node can reach: the node that provisions them,
 * where each node has a provisioner of its own.
 */
export const PROVISIONER_NODE = "r2k.io/provisioner-node";

/** The provisioner of classes whose volumes are only made by hand. */
export const NO_PROVISIONER = "kubernetes.io/no-provisioner";

/** The name of the claim that a pod's volume stands for; undefined if it is not about a claim. */
export function claimNameOf(pod: Pod, volume: Volume): string | undefined {
  if (volume.persistentVolumeClaim) return volume.persistentVolumeClaim.claimName;
  return volume.ephemeral ? `${pod.metadata.name ?? ""}-${volume.name}` : undefined;
}

/** Whether a claim has its volume for good. */
export function isBound(claim: PersistentVolumeClaim): boolean {
  const completed = claim.metadata.annotations?.[BIND_COMPLETED] !== undefined;
  return completed && Boolean(claim.spec.volumeName);
}

/** Whether a volume is reserved for this very claim (by uid, where the volume knows it). */
export function isReservedFor(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { name, namespace, uid } = volume.spec.claimRef ?? {};
  if (name !== claim.metadata.name || namespace !== claim.metadata.namespace) return false;
  return !uid || uid === claim.metadata.uid;
}

/**
 * Whether a volume is what a claim asks for, node affinity and reservations apart, and its selector
 * apart: a claim that names its volume has chosen (upstream's checkVolumeSatisfyClaim).
 */
export function satisfies(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  if ((volume.spec.storageClassName ?? "") !== (claim.spec.storageClassName ?? "")) return false;
  return fits(volume, claim);
}

/**
 * Whether a claim can use a volume. That suffices for one reserved for it, also of another class
 * or without the labels that the claim selects: the reservation is the choice (upstream's rule).
 */
function fits({ spec }: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { accessModes: modes = [], resources } = claim.spec;
  if ((spec.volumeMode ?? "Filesystem") !== (claim.spec.volumeMode ?? "Filesystem")) return false;
  if (attributesClassOf(spec) !== attributesClassOf(claim.spec)) return false;
  if (!modes.every((mode) => spec.accessModes?.includes(mode))) return false;
  const wanted = resources?.requests?.["storage"];
  return wanted === undefined || compareQuantity(spec.capacity?.["storage"] ?? "0", wanted) >= 0;
}

const attributesClassOf = (spec: { volumeAttributesClassName?: string }): string =>
  spec.volumeAttributesClassName ?? "";

/**
 * Returns what may take a volume: the claim with this key if it is reserved, else those of its
 * class (a name without a slash).
 */
export function takerOf({ spec }: PersistentVolume): string {
  const { claimRef, storageClassName = "" } = spec;
  return claimRef ? `${claimRef.namespace ?? ""}/${claimRef.name ?? ""}` : storageClassName;
}

/** Returns what a claim may take volumes as: only those with one of these takers may be its. */
export function takersOf(claim: PersistentVolumeClaim): string[] {
  return [keyOf(claim), claim.spec.storageClassName ?? ""];
}

/** Whether a claim may get a volume, node affinity apart: one reserved for it, or a free one. */
export function mayGet(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const isReserved = volume.spec.claimRef !== undefined;
  // Most volumes are another claim's.
  if (isReserved && !isReservedFor(volume, claim)) return false;
  if (volume.metadata.deletionTimestamp) return false;
  if (isReserved) return fits(volume, claim);
  const phase = volume.status?.phase;
  const isFree = phase === undefined || phase === "Available" || phase === "Pending";
  const { selector } = claim.spec;
  const isSelected = !selector || matchesSelector(selector, volume.metadata.labels);
  return isFree && isSelected && satisfies(volume, claim);
}

/**
 * The volume to give a claim: one reserved for it, else the smallest free one that satisfies it.
 * `allowed` may leave volumes out (node affinity).
 */
export function findVolume(
  volumes: readonly PersistentVolume[],
  claim: PersistentVolumeClaim,
  allowed: (volume: PersistentVolume) => boolean = () => true,
): PersistentVolume | undefined {
  let found: PersistentVolume | undefined;
  for (const volume of volumes) {
    if (!mayGet(volume, claim) || !allowed(volume)) continue;
    if (volume.spec.claimRef) return volume;
    if (!found || isSmaller(volume, found)) found = volume;
  }
  return found;
}

function isSmaller(a: PersistentVolume, b: PersistentVolume): boolean {
  const size = (volume: PersistentVolume) => volume.spec.capacity?.["storage"] ?? "0";
  return compareQuantity(size(a), size(b)) < 0;
}

/** Returns the volume with its claimRef set: no other claim may bind it. */
export function reservedFor(
  volume: PersistentVolume,
  claim: PersistentVolumeClaim,
): PersistentVolume {
  const { namespace, name, uid, resourceVersion } = claim.metadata;
  const claimRef = {
    kind: "PersistentVolumeClaim",
    apiVersion: "v1",
    namespace,
    name,
    uid,
    resourceVersion,
  };
  const { annotations } = volume.metadata;
  const marked = volume.spec.claimRef
    ? annotations
    : { ...annotations, [BOUND_BY_CONTROLLER]: "yes" };
  return {
    ...volume,
    metadata: marked ? { ...volume.metadata, annotations: marked } : volume.metadata,
    spec: { ...volume.spec, claimRef },
  };
}
