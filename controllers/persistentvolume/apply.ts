import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { migrationOf } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import {
  BIND_COMPLETED,
  BOUND_BY_CONTROLLER,
  isReservedFor,
  reservedFor,
} from "@raft2kube/client-kube/object/volumes.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";

export interface VolumeWriters {
  claims: ResourceClient<PersistentVolumeClaim>;
  volumes: ResourceClient<PersistentVolume>;
}

/** Notes on an object of an in-tree provisioner which CSI driver acts. Returns the object. */
export async function noteMigration<T extends KubeObject>(
  writer: ResourceClient<T>,
  object: T,
  keys: readonly string[],
): Promise<T> {
  const annotations = migrationOf(object.metadata.annotations, keys);
  if (!annotations) return object;
  return writer.update({ ...object, metadata: { ...object.metadata, annotations } });
}

/** Gives a claim that has none the default class, which came later. */
export async function setClass(
  { claims }: VolumeWriters,
  claim: PersistentVolumeClaim,
  name: string,
): Promise<void> {
  await claims.update({ ...claim, spec: { ...claim.spec, storageClassName: name } });
}

/**
 * Ties a claim and a volume together in four writes, each of which may have been done by an earlier
 * attempt: volume's claimRef, volume's phase, claim's volumeName, claim's phase. After the first no
 * other claim can have the volume.
 */
export async function bind(
  writers: VolumeWriters,
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
): Promise<void> {
  let tied = volume;
  if (!isReservedFor(volume, claim) || volume.spec.claimRef?.uid !== claim.metadata.uid) {
    tied = await writers.volumes.update(reservedFor(volume, claim));
  }
  if (tied.status?.phase !== "Bound") {
    tied = await writers.volumes.updateStatus(withPhase(tied, "Bound"));
  }
  const named = await nameVolume(writers, claim, tied);
  await setBound(writers, named, tied);
}

async function nameVolume(
  writers: VolumeWriters,
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
): Promise<PersistentVolumeClaim> {
  const { annotations = {} } = claim.metadata;
  const named = claim.spec.volumeName === volume.metadata.name;
  if (named && annotations[BIND_COMPLETED]) return claim;
  const marked: Record<string, string> = { ...annotations, [BIND_COMPLETED]: "yes" };
  if (!named) marked[BOUND_BY_CONTROLLER] = "yes";
  return writers.claims.update({
    ...claim,
    metadata: { ...claim.metadata, annotations: marked },
    spec: { ...claim.spec, volumeName: volume.metadata.name },
  });
}

async function setBound(
  writers: VolumeWriters,
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
): Promise<void> {
  const old = claim.status ?? {};
  const accessModes = volume.spec.accessModes ?? [];
  // A claim that was grown keeps the capacity that its resizer wrote.
  const capacity = old.phase === "Bound" && old.capacity ? old.capacity : volume.spec.capacity;
  const status = { ...old, phase: "Bound" as const, accessModes, capacity };
  // From here on it is the resizer's.
  if (old.phase === "Pending" && volume.spec.volumeAttributesClassName) {
    status.currentVolumeAttributesClassName = volume.spec.volumeAttributesClassName;
  }
  if (JSON.stringify(status) === JSON.stringify(old)) return;
  await writers.claims.updateStatus({ ...claim, status });
}

/** A volume with another phase, the reason of an earlier failure forgotten. */
export function withPhase(
  volume: PersistentVolume,
  phase: NonNullable<PersistentVolume["status"]>["phase"],
  message?: string,
): PersistentVolume {
  const status: NonNullable<PersistentVolume["status"]> = { ...volume.status };
  if (phase !== undefined) status.phase = phase;
  delete status.message;
  delete status.reason;
  return { ...volume, status: message === undefined ? status : { ...status, message } };
}
