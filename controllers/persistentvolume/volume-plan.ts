import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import {
  csiSourceOf,
  IN_TREE_PREFIX,
  provisionerIn,
  VOLUME_PROVISIONERS,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { BOUND_BY_CONTROLLER, PROVISIONED_BY } from "@raft2kube/client-kube/object/volumes.ts";

/** The plan for a volume. */
export type VolumeAction =
  | { do: "phase"; phase: "Available" | "Bound" | "Released" }
  /** The volume's claim took another volume: undo the binding, as far as no person made it. */
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
  const isGone = !claim || claim.metadata.uid !== claimRef.uid;
  if (isGone || isSurplus(volume, claim)) {
    if (volume.status?.phase === "Failed") return { do: "look-at-claim" };
    return planReclaim(volume);
  }
  if (!claim.spec.volumeName) return { do: "look-at-claim" };
  if (claim.spec.volumeName === volume.metadata.name) return { do: "phase", phase: "Bound" };
  return { do: "unbind" };
}

/** Whether a volume was made for a claim that took another one meanwhile, and is to be deleted. */
function isSurplus({ metadata, spec }: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { volumeName } = claim.spec;
  if (!volumeName || volumeName === metadata.name) return false;
  const isMade = metadata.annotations?.[PROVISIONED_BY] !== undefined;
  return isMade && spec.persistentVolumeReclaimPolicy === "Delete";
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
