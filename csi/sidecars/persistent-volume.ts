import type {
  NodeSelectorTerm,
  PersistentVolume,
  PersistentVolumeClaim,
} from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { PROVISIONED_BY } from "@raft2kube/client-kube/object/volumes.ts";
import {
  ControllerServiceCapability_RPC_Type as Rpc,
  type Topology,
  type Volume,
} from "@raft2kube/proto/gen/csi.ts";
import { quantityOf, valueOf } from "@raft2kube/std/quantity.ts";
import { fsTypeOf, volumeNameOf } from "./create-request.ts";
import { PROVISIONER_FINALIZER } from "./names.ts";

/**
 * Returns the PersistentVolume of a new volume, bound to its claim; read-only for a claim that only
 * reads, of a driver with PUBLISH_READONLY (upstream's rule). Pure.
 */
export function persistentVolumeOf(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  driverName: string,
  volume: Volume,
  capabilities: ReadonlySet<number> = new Set(),
): PersistentVolume {
  const requested_bytes = valueOf(claim.spec.resources?.requests?.["storage"] ?? "0");
  const reclaimPolicy = storageClass.reclaimPolicy ?? "Delete";
  const fsType = fsTypeOf(storageClass);
  const { accessModes = [] } = claim.spec;
  const onlyReads = accessModes.length === 1 && accessModes[0] === "ReadOnlyMany";
  const { namespace = "", name = "", uid = "", resourceVersion = "" } = claim.metadata;
  const { accessibleTopology, volumeContext, volumeId } = volume;
  return {
    metadata: {
      name: volumeNameOf(claim),
      annotations: { [PROVISIONED_BY]: driverName },
      ...(reclaimPolicy === "Delete" ? { finalizers: [PROVISIONER_FINALIZER] } : {}),
    },
    spec: {
      capacity: { storage: quantityOf(volume.capacityBytes || requested_bytes, "binary") },
      accessModes,
      claimRef: {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        namespace,
        name,
        uid,
        resourceVersion,
      },
      persistentVolumeReclaimPolicy: reclaimPolicy,
      storageClassName: storageClass.metadata.name ?? "",
      ...(claim.spec.volumeAttributesClassName
        ? { volumeAttributesClassName: claim.spec.volumeAttributesClassName }
        : {}),
      volumeMode: claim.spec.volumeMode ?? "Filesystem",
      ...(storageClass.mountOptions?.length ? { mountOptions: storageClass.mountOptions } : {}),
      csi: {
        driver: driverName,
        volumeHandle: volumeId,
        ...(onlyReads && capabilities.has(Rpc.PUBLISH_READONLY) ? { readOnly: true } : {}),
        ...(fsType === "" ? {} : { fsType }),
        ...(Object.keys(volumeContext).length > 0 ? { volumeAttributes: volumeContext } : {}),
      },
      ...(accessibleTopology.length > 0
        ? { nodeAffinity: { required: { nodeSelectorTerms: accessibleTopology.map(termOf) } } }
        : {}),
    },
  };
}

function termOf({ segments }: Topology): NodeSelectorTerm {
  const keys = Object.keys(segments).sort();
  return {
    matchExpressions: keys.map((key) => ({ key, operator: "In", values: [segments[key]!] })),
  };
}
