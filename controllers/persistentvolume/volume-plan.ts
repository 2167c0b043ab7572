import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import {
  csiSourceOf,
  IN_TREE_PREFIX,
  provisionerIn,
  VOLUME_PROVISIONERS,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { BOUND_BY_CONTROLLER } from "@raft2kube/client-kube/object/volumes.ts";

/** The plan for a volume. */
export type VolumeAction =
  | { do: "phase"; phase: "Available" | "Bound" | "Released" }
  /** The volume's claim took another volume: remove the reference that the binder wrote into it. */
  | { do: "unbind" }
  /** The volume is kept for a claim that is not finished: the claim decides. */
  | { do: "look-at-claim" }
  | { do: "failed"; reason: string; message: string };

/**
 * Decides the next step of a volume. `claim` is the one that its claimRef names, as the server has
 * it. Deleting a released volume is its provisioner's or its CSI driver's; one that has neither
 * cannot be deleted, and none is recycled.
 */
export function planVolume(
  volume: PersistentVolume,
  claim: PersistentVolumeClaim | undefined,
): VolumeAction {
  const { claimRef } = volume.spec;
  if (!claimRef?.uid) return { do: "phase", phase: "Available" };
  const phase = volume.status?.phase;
  if (!claim || claim.metadata.uid !== claimRef.uid) {
    if (phase === "Failed") return { do: "look-at-claim" };
    return planReclaim(volume);
  }
  if (!claim.spec.volumeName) return { do: "look-at-claim" };
  if (claim.spec.volumeName === volume.metadata.name) return { do: "phase", phase: "Bound" };
  const ours = volume.metadata.annotations?.[BOUND_BY_CONTROLLER] !== undefined;
  return ours ? { do: "unbind" } : { do: "phase", phase: "Available" };
}

function planReclaim(volume: PersistentVolume): VolumeAction {
  const { metadata, spec } = volume;
  const { persistentVolumeReclaimPolicy: policy } = spec;
  if (policy === "Recycle") {
    const message = "reclaim policy Recycle is not supported; use Retain or Delete";
    return { do: "failed", reason: "VolumeFailedRecycle", message };
  }
  const provisioner = provisionerIn(metadata.annotations, VOLUME_PROVISIONERS);
  const external = provisioner ? !provisioner.startsWith(IN_TREE_PREFIX) : csiSourceOf(volume);
  if (policy !== "Delete" || external) return { do: "phase", phase: "Released" };
  const message =
    `error getting deleter volume plugin for volume "${metadata.name}": ` +
    "no deletable volume plugin matched";
  return { do: "failed", reason: "VolumeFailedDelete", message };
}

/**
 * The volume without the claim that the binder wrote into it. A claim kept by hand stays by name.
 */
export function unbound(volume: PersistentVolume): PersistentVolume {
  const annotations = { ...volume.metadata.annotations };
  const ours = annotations[BOUND_BY_CONTROLLER] !== undefined;
  delete annotations[BOUND_BY_CONTROLLER];
  const { claimRef, ...spec } = volume.spec;
  const kept = { ...claimRef };
  delete kept.uid;
  delete kept.resourceVersion;
  return {
    ...volume,
    metadata: { ...volume.metadata, annotations },
    spec: ours ? spec : { ...spec, claimRef: kept },
  };
}
