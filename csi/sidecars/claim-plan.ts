import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import {
  CLAIM_PROVISIONERS,
  driverOfProvisioner,
  provisionerIn,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { SELECTED_NODE } from "@raft2kube/client-kube/object/volumes.ts";
import { isProvisionedBy } from "./volume-plan.ts";

/** Action of a provisioner for a claim. */
export type ClaimPlan =
  | { act: "leave" }
  /**
   * No node is selected: select this one if its class allows it, so that only one provisioner acts.
   */
  | { act: "selectNode"; storageClass: StorageClass }
  /** The claim's content comes from an object of a kind that only that kind's populator knows. */
  | { act: "populate" }
  | { act: "provision"; storageClass: StorageClass; selectedNode: string | undefined };

export interface Provisioner {
  driverName: string;
  /** Whether its volumes are reachable from some nodes only. */
  hasTopology: boolean;
  /**
   * The node of this provisioner, where each node has its own, which acts only for claims of that
   * node.
   */
  nodeName: string | undefined;
}

/**
 * Plans the action for a claim. It is this driver's when the volume binder has annotated it: before
 * that, an existing volume may still be bound to it. Pure.
 */
export function planClaim(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass | undefined,
  { driverName, hasTopology, nodeName }: Provisioner,
): ClaimPlan {
  if (claim.spec.volumeName || claim.metadata.deletionTimestamp) return { act: "leave" };
  const annotations = claim.metadata.annotations ?? {};
  const named = provisionerIn(annotations, CLAIM_PROVISIONERS);
  if (named !== driverName || !storageClass) return { act: "leave" };
  if (driverOfProvisioner(storageClass.provisioner) !== driverName) return { act: "leave" };

  const selectedNode = annotations[SELECTED_NODE];
  if (isPopulated(claim)) return { act: "populate" };
  const waits = storageClass.volumeBindingMode === "WaitForFirstConsumer";
  if (waits && selectedNode === undefined) return { act: "leave" };
  if (nodeName === undefined) return { act: "provision", storageClass, selectedNode };
  if (!hasTopology) {
    const isOurs = isProvisionedBy(storageClass, nodeName);
    return isOurs ? { act: "provision", storageClass, selectedNode } : { act: "leave" };
  }
  if (selectedNode === undefined) return { act: "selectNode", storageClass };
  if (selectedNode !== nodeName) return { act: "leave" };
  return { act: "provision", storageClass, selectedNode };
}

/**
 * Whether the content comes from neither a claim nor a snapshot: a populator makes another claim,
 * fills its volume, and gives that to this claim.
 */
function isPopulated({ spec }: PersistentVolumeClaim): boolean {
  const { kind, apiGroup = "" } = spec.dataSource ?? spec.dataSourceRef ?? {};
  if (kind === undefined || (kind === "PersistentVolumeClaim" && apiGroup === "")) return false;
  return kind !== "VolumeSnapshot";
}

/**
 * Whether claim and volume are bound to each other. A claim may name any volume, also that of
 * another tenant's claim: only the volume's own reference says whose content it is. Pure.
 */
export function isBoundTo(claim: PersistentVolumeClaim, volume: PersistentVolume): boolean {
  const { uid } = claim.metadata;
  const named = claim.spec.volumeName === volume.metadata.name;
  return (
    named &&
    claim.status?.phase === "Bound" &&
    uid !== undefined &&
    volume.spec.claimRef?.uid === uid
  );
}
