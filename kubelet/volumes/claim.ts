import type { PersistentVolumeClaim, Pod, Volume } from "@raft2kube/api/gen/core/v1.ts";
import {
  inTreeFieldOf,
  translateInline,
  translateVolume,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { PodObjects } from "../pods/pod-objects.ts";
import type { VolumeSpec } from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";

/**
 * Returns the volume with its claim resolved, and translated to CSI if it is of an in-tree kind.
 * Throws VolumeError when the claim is missing, not bound, or made for another pod, CodedError for
 * a volume that no driver serves.
 */
export async function resolveVolume(
  pod: Pod,
  volume: Volume,
  objects: PodObjects,
): Promise<VolumeSpec> {
  const { name } = volume;
  const claimName = volume.ephemeral
    ? `${nameOf(pod)}-${name}`
    : volume.persistentVolumeClaim?.claimName;
  const namespace = namespaceOf(pod);
  if (claimName === undefined) {
    const pv = translateInline(volume, namespace);
    return pv ? { name, volume, claim: { pv }, ...inTreeOf(volume) } : { name, volume };
  }
  const pvc = await objects.claim(namespace, claimName);
  if (!pvc) throw new VolumeError("NotFound", `persistentvolumeclaim "${claimName}" not found`);
  if (volume.ephemeral && !ownedBy(pvc, uidOf(pod))) {
    const message = `PVC ${namespace}/${claimName} was not created for pod ${nameOf(pod)}`;
    throw new VolumeError("NotFound", message);
  }
  const volumeName = pvc.spec.volumeName;
  if (pvc.status?.phase !== "Bound" || !volumeName) {
    throw new VolumeError("NotBound", `PVC ${namespace}/${claimName} is not bound`);
  }
  const pv = await objects.persistentVolume(namespace, volumeName);
  if (!pv) throw new VolumeError("NotFound", `persistentvolume "${volumeName}" not found`);
  if (pv.spec.claimRef?.uid !== pvc.metadata.uid) {
    const message = `PV ${volumeName} is bound to another claim than ${namespace}/${claimName}`;
    throw new VolumeError("NotBound", message);
  }
  return { name, volume, claim: { pvc, pv: translateVolume(pv) }, ...inTreeOf(pv.spec) };
}

function inTreeOf(spec: Parameters<typeof inTreeFieldOf>[0]): Pick<VolumeSpec, "inTree"> {
  const inTree = inTreeFieldOf(spec);
  return inTree ? { inTree } : {};
}

function ownedBy(pvc: PersistentVolumeClaim, uid: string): boolean {
  return (pvc.metadata.ownerReferences ?? []).some((owner) => owner.uid === uid);
}
