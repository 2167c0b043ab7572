import type { NodeSelectorTerm, PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import {
  csiSourceOf, orUndefined, provisionerIn, translateVolume, VOLUME_PROVISIONERS,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import type { DriverIdentity } from "./driver-identity.ts";
import { PROVISIONER_FINALIZER } from "./names.ts";

/** Owner of volumes: a driver and, where each node has its own, its topology. */
export interface VolumeOwner {
  driverName: string;
  /** Undefined: every volume of the driver is ours. */
  segments: Record<string, string> | undefined;
}

/** Returns the owner of a sidecar: of all volumes of its driver, or of those of its node. */
export function ownerOf(driver: DriverIdentity, nodeName: string | undefined): VolumeOwner {
  const segments = nodeName === undefined ? undefined : driver.topology;
  return { driverName: driver.name, segments };
}

/**
 * Whether to delete a PersistentVolume's storage: it is released, its policy is Delete, and the
 * owner created it. Pure.
 */
export function isToBeDeleted(volume: PersistentVolume, owner: VolumeOwner): boolean {
  const { metadata, spec, status } = volume;
  if (csiSourceOf(volume)?.driver !== owner.driverName) return false;
  if (provisionerIn(metadata.annotations, VOLUME_PROVISIONERS) !== owner.driverName) {
    return false;
  }
  if (spec.persistentVolumeReclaimPolicy !== "Delete" || status?.phase !== "Released") return false;
  const finalized = metadata.finalizers?.includes(PROVISIONER_FINALIZER) ?? false;
  if (metadata.deletionTimestamp && !finalized) return false;
  return isReachable(volume, owner.segments);
}

/**
 * Whether the volume is in the owner's topology: a term of its node affinity names exactly that.
 */
export function isReachable(
  volume: PersistentVolume,
  segments: Record<string, string> | undefined,
): boolean {
  const translated = orUndefined(() => translateVolume(volume));
  const terms = translated?.spec.nodeAffinity?.required?.nodeSelectorTerms;
  if (segments === undefined || terms === undefined) return true;
  return terms.some((term) => matches(term, segments));
}

function matches(term: NodeSelectorTerm, segments: Record<string, string>): boolean {
  const expressions = term.matchExpressions ?? [];
  return expressions.every(({ key, operator, values }) => {
    const value = segments[key];
    return operator === "In" && value !== undefined && (values ?? []).includes(value);
  });
}
