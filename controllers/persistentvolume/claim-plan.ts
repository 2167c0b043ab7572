import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import {
  driverOfProvisioner,
  IN_TREE_PREFIX,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import {
  BOUND_BY_CONTROLLER,
  findVolume,
  isBound,
  isReservedFor,
  SELECTED_NODE,
  satisfies,
} from "@raft2kube/client-kube/object/volumes.ts";

export type ClaimAction =
  /** Make the pair complete: volume's claimRef, claim's volumeName, both phases. */
  | { do: "bind"; volume: PersistentVolume }
  /** Ask the class' external provisioner; it, or the scheduler, does the rest. */
  | { do: "provision"; provisioner: string }
  | { do: "default-class"; name: string }
  | { do: "wait"; event?: ClaimEvent }
  /** The volume of the claim is gone or another claim's. */
  | { do: "lost"; event: ClaimEvent };

export type ClaimEvent = { type: "Normal" | "Warning"; reason: string; message: string };

export interface ClaimView {
  /** Returns the volumes that the claim may take: kept for its name, or free and of its class. */
  volumes(): readonly PersistentVolume[];
  volume(name: string): PersistentVolume | undefined;
  storageClass(name: string): StorageClass | undefined;
  /** The class of claims that name none, if there is one. */
  defaultClass(): StorageClass | undefined;
}

const WAITING: ClaimEvent = {
  type: "Normal",
  reason: "WaitForFirstConsumer",
  message: "waiting for first consumer to be created before binding",
};

/** Decides the next step of a claim, by upstream's rules for static and dynamic volumes. */
export function planClaim(claim: PersistentVolumeClaim, view: ClaimView): ClaimAction {
  if (isBound(claim)) return planBound(claim, view);
  return claim.spec.volumeName ? planChosen(claim, view) : planOpen(claim, view);
}

/** A claim that names no volume: find one, wait for a pod, or have one made. */
function planOpen(claim: PersistentVolumeClaim, view: ClaimView): ClaimAction {
  const className = claim.spec.storageClassName;
  const storageClass = className ? view.storageClass(className) : undefined;
  const delayed = storageClass?.volumeBindingMode === "WaitForFirstConsumer";
  // Until a pod needs it only a volume kept for this very claim may be taken.
  const volume = findVolume(view.volumes(), claim, (candidate) => {
    return !delayed || Boolean(candidate.spec.claimRef);
  });
  if (volume) return { do: "bind", volume };
  if (className === undefined) {
    const preset = view.defaultClass()?.metadata.name;
    if (preset !== undefined) return { do: "default-class", name: preset };
  }
  if (delayed && claim.metadata.annotations?.[SELECTED_NODE] === undefined) {
    return { do: "wait", event: WAITING };
  }
  if (!className) {
    const message = "no persistent volumes available for this claim and no storage class is set";
    return { do: "wait", event: { type: "Normal", reason: "FailedBinding", message } };
  }
  if (!storageClass) {
    const message = `storageclass.storage.k8s.io "${className}" not found`;
    return { do: "wait", event: { type: "Warning", reason: "ProvisioningFailed", message } };
  }
  const provisioner = driverOfProvisioner(storageClass.provisioner);
  if (!provisioner.startsWith(IN_TREE_PREFIX)) return { do: "provision", provisioner };
  const message = `no volume plugin matched name: ${provisioner}`;
  return { do: "wait", event: { type: "Warning", reason: "ProvisioningFailed", message } };
}

/** A claim whose user, or whose provisioner, named the volume. */
function planChosen(claim: PersistentVolumeClaim, view: ClaimView): ClaimAction {
  const { volumeName: name = "" } = claim.spec;
  const volume = view.volume(name);
  if (!volume) return { do: "wait" };
  if (volume.spec.claimRef && !isReservedFor(volume, claim)) {
    if (claim.metadata.annotations?.[BOUND_BY_CONTROLLER]) return misbound();
    const message = `volume "${name}" already bound to a different claim.`;
    return { do: "wait", event: { type: "Warning", reason: "FailedBinding", message } };
  }
  const { deletionTimestamp } = volume.metadata;
  if (!volume.spec.claimRef && (deletionTimestamp || !satisfies(volume, claim))) {
    const why = deletionTimestamp ? "is being deleted" : "does not satisfy this claim";
    const message = `volume "${name}" ${why}`;
    return { do: "wait", event: { type: "Warning", reason: "VolumeMismatch", message } };
  }
  return { do: "bind", volume };
}

function planBound(claim: PersistentVolumeClaim, view: ClaimView): ClaimAction {
  const volume = view.volume(claim.spec.volumeName ?? "");
  if (!volume) {
    const message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!";
    return { do: "lost", event: { type: "Warning", reason: "ClaimLost", message } };
  }
  if (volume.spec.claimRef && volume.spec.claimRef.uid !== claim.metadata.uid) return misbound();
  return { do: "bind", volume };
}

function misbound(): ClaimAction {
  const message = "Two claims are bound to the same volume, this one is bound incorrectly";
  return { do: "lost", event: { type: "Warning", reason: "ClaimMisbound", message } };
}
