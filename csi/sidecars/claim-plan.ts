import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { SELECTED_NODE, STORAGE_PROVISIONER } from "@raft2kube/client-kube/object/volumes.ts";
import { STORAGE_PROVISIONER_BETA } from "./names.ts";

/** Action of a provisioner for a claim. */
export type ClaimPlan =
  | { act: "leave" }
  /**
   * No node is selected and any is possible: select this one, so that only one provisioner acts.
   */
  | { act: "selectNode" }
  | { act: "provision"; storageClass: StorageClass; selectedNode: string | undefined };

export interface Provisioner {
  driverName: string;
  /** Set where each node has its own provisioner, which acts only for claims of that node. */
  nodeName: string | undefined;
}

/**
 * Plans the action for a claim. It is this driver's when the volume binder has annotated it: before
 * that, an existing volume may still be bound to it. Pure.
 */
export function planClaim(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass | undefined,
  { driverName, nodeName }: Provisioner,
): ClaimPlan {
  if (claim.spec.volumeName || claim.metadata.deletionTimestamp) return { act: "leave" };
  const annotations = claim.metadata.annotations ?? {};
  const named = annotations[STORAGE_PROVISIONER] ?? annotations[STORAGE_PROVISIONER_BETA];
  if (named !== driverName || storageClass?.provisioner !== driverName) return { act: "leave" };

  const selectedNode = annotations[SELECTED_NODE];
  const waits = storageClass.volumeBindingMode === "WaitForFirstConsumer";
  if (waits && selectedNode === undefined) return { act: "leave" };
  if (nodeName === undefined) return { act: "provision", storageClass, selectedNode };
  if (selectedNode === undefined) return { act: "selectNode" };
  if (selectedNode !== nodeName) return { act: "leave" };
  return { act: "provision", storageClass, selectedNode };
}

/**
 * Whether claim and volume are bound to each other. A claim may name any volume, also that of
 * another tenant's claim: only the volume's own reference says whose content it is. Pure.
 */
export function isBoundTo(claim: PersistentVolumeClaim, volume: PersistentVolume): boolean {
  const { uid } = claim.metadata;
  const named = claim.spec.volumeName === volume.metadata.name;
  return named && claim.status?.phase === "Bound" &&
    uid !== undefined && volume.spec.claimRef?.uid === uid;
}
