import type { PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import type { CSINode, VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { ControllerPublishVolumeRequest } from "@raft2kube/proto/gen/csi.ts";
import { ControllerServiceCapability_RPC_Type as Rpc } from "@raft2kube/proto/gen/csi.ts";
import { accessModeOf } from "./access-mode.ts";
import { NODE_ID } from "./names.ts";
import { ProvisioningError } from "./provisioning-error.ts";

/** Action of an attacher for a VolumeAttachment. */
export type AttachPlan = "leave" | "attach" | "detach";

/** The finalizer by which a driver's attacher keeps attachments and their volumes (upstream's). */
export function attacherFinalizer(driverName: string): string {
  const name = driverName.replace(/[^a-zA-Z0-9-]/g, "-");
  return `external-attacher/${name.endsWith("-") ? `${name}X` : name}`;
}

/**
 * Decides what to do about an attachment. One that is being deleted is detached if it has the
 * finalizer, which is on it from before the driver's first call until after the last. Pure.
 */
export function planAttachment(
  { metadata, spec, status }: VolumeAttachment,
  driverName: string,
): AttachPlan {
  if (spec.attacher !== driverName) return "leave";
  if (!metadata.deletionTimestamp) return status?.attached ? "leave" : "attach";
  return metadata.finalizers?.includes(attacherFinalizer(driverName)) ? "detach" : "leave";
}

/** The driver's name of an attachment's node: from its CSINode, else as it was at attaching. */
export function nodeIdOf(
  { metadata, spec }: VolumeAttachment,
  csiNode: CSINode | undefined,
): string {
  const entry = csiNode?.spec.drivers.find(({ name }) => name === spec.attacher);
  const known = entry?.nodeID ?? metadata.annotations?.[NODE_ID];
  if (known !== undefined) return known;
  const message = `driver ${spec.attacher} is not registered on node ${spec.nodeName}`;
  throw new ProvisioningError("NoDriverOnNode", message);
}

/** Returns the ControllerPublishVolume request for a volume. Pure. */
export function publishRequest(
  { spec }: PersistentVolume,
  nodeId: string,
  secrets: Record<string, string>,
  capabilities: ReadonlySet<number>,
): Init<ControllerPublishVolumeRequest> {
  const source = spec.csi!;
  const mount = { fsType: source.fsType ?? "", mountFlags: spec.mountOptions ?? [] };
  const how = spec.volumeMode === "Block" ? { block: {} } : { mount };
  const mode = accessModeOf(widestMode(spec.accessModes ?? []), capabilities);
  return {
    volumeId: source.volumeHandle,
    nodeId,
    volumeCapability: { ...how, accessMode: { mode } },
    readonly: (source.readOnly ?? false) && capabilities.has(Rpc.PUBLISH_READONLY),
    secrets,
    volumeContext: source.volumeAttributes ?? {},
  };
}

/** The access mode that permits the most: CSI takes one. */
function widestMode(modes: readonly string[]): string {
  if (modes.includes("ReadWriteMany")) return "ReadWriteMany";
  if (modes.includes("ReadOnlyMany") && modes.includes("ReadWriteOnce")) {
    const message = "a volume that is both ReadOnlyMany and ReadWriteOnce cannot be attached";
    throw new ProvisioningError("AccessMode", message);
  }
  return modes[0] ?? "";
}
