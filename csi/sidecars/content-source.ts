import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { csiSourceOf } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  VOLUME_SNAPSHOT_CONTENTS,
  VOLUME_SNAPSHOTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import {
  ControllerServiceCapability_RPC_Type as Rpc,
  type VolumeContentSource,
} from "@raft2kube/proto/gen/csi.ts";
import { valueOf } from "@raft2kube/std/quantity.ts";
import { isBoundTo } from "./claim-plan.ts";
import { ProvisioningError } from "./provisioning-error.ts";
import type { TopologyContext } from "./topology.ts";
import type { VolumeSnapshot, VolumeSnapshotContent } from "./volume-snapshot.ts";

/** The annotation of a content whose volumes may have another mode than its source. */
const ALLOWS_MODE_CHANGE = "snapshot.storage.kubernetes.io/allow-volume-mode-change";

const refusal = (message: string) => new ProvisioningError("DataSource", message);

/** Returns what a claim's volume is made of: a claim's volume, a snapshot, or nothing. */
export async function contentSourceOf(
  context: TopologyContext,
  claim: PersistentVolumeClaim,
): Promise<VolumeContentSource | undefined> {
  const source = claim.spec.dataSource ?? claim.spec.dataSourceRef;
  if (!source) return undefined;
  if (source.kind === "PersistentVolumeClaim" && !source.apiGroup) {
    return await volumeToClone(context, claim, source.name);
  }
  if (source.kind === VOLUME_SNAPSHOTS.kind && source.apiGroup === VOLUME_SNAPSHOTS.group) {
    return await snapshotToRestore(context, claim, source.name);
  }
  throw refusal(`data source ${source.kind} is not supported`);
}

/** Returns the volume of a claim in the same namespace, of the same driver. */
async function volumeToClone(
  { client, driver }: TopologyContext,
  claim: PersistentVolumeClaim,
  source: string,
): Promise<VolumeContentSource> {
  if (!driver.capabilities.has(Rpc.CLONE_VOLUME)) {
    throw refusal(`driver ${driver.name} does not clone volumes`);
  }
  const { namespace = "" } = claim.metadata;
  const claims = client.resource(PERSISTENT_VOLUME_CLAIMS);
  const from = await claims.get({ namespace, name: source });
  const name = from.spec.volumeName;
  if (!name) throw refusal(`claim ${source} is not bound`);
  const volume = await client.resource(PERSISTENT_VOLUMES).get({ name });
  return { volume: { volumeId: clonableHandle(claim, from, volume, driver.name) } };
}

/**
 * The driver's id of the volume of the claim `from`, which another claim is to be a clone of. The
 * mode stays: the content of a block device, which a tenant writes byte by byte, is never mounted
 * as a file system that way. Throws ProvisioningError as upstream's provisioner. Pure.
 */
export function clonableHandle(
  claim: PersistentVolumeClaim,
  from: PersistentVolumeClaim,
  volume: PersistentVolume,
  driverName: string,
): string {
  const of = `claim ${from.metadata.name}`;
  if (!isBoundTo(from, volume)) throw refusal(`${of} is not bound`);
  if (from.metadata.deletionTimestamp) throw refusal(`${of} is being deleted`);
  const cloned = csiSourceOf(volume);
  if (cloned?.driver !== driverName) throw refusal(`${of} is of another driver than ${driverName}`);
  const [mode, asked] = [volume.spec, claim.spec].map((spec) => spec.volumeMode ?? "Filesystem");
  if (mode !== asked) throw refusal(`${of} is of a volume of mode ${mode}, the claim of ${asked}`);
  const [size, least] = [claim, from].map(({ spec }) => spec.resources?.requests?.["storage"]);
  if (size !== undefined && least !== undefined && valueOf(size) < valueOf(least)) {
    throw refusal(`the claim requests ${size}, less than ${least} of ${of}`);
  }
  return cloned.volumeHandle;
}

/** Returns the driver's snapshot of a VolumeSnapshot in the same namespace. */
async function snapshotToRestore(
  { client, driver }: TopologyContext,
  claim: PersistentVolumeClaim,
  name: string,
): Promise<VolumeContentSource> {
  if (!driver.capabilities.has(Rpc.CREATE_DELETE_SNAPSHOT)) {
    throw refusal(`driver ${driver.name} does not take snapshots`);
  }
  const { namespace = "" } = claim.metadata;
  const snapshots = client.resource<VolumeSnapshot>(VOLUME_SNAPSHOTS);
  const snapshot = await snapshots.get({ namespace, name }).catch((thrown: unknown) => {
    if (!isNotFound(thrown)) throw thrown;
    throw refusal(`VolumeSnapshot ${name} does not exist`);
  });
  const bound = snapshot.status?.boundVolumeSnapshotContentName;
  if (!bound) throw refusal(`VolumeSnapshot ${name} is not bound to a content`);
  const content = await client
    .resource<VolumeSnapshotContent>(VOLUME_SNAPSHOT_CONTENTS)
    .get({ name: bound });
  return { snapshot: { snapshotId: restorableHandle(claim, snapshot, content, driver.name) } };
}

/**
 * The driver's id of a snapshot that a claim names. A tenant writes its own snapshot: only the
 * content's reference says whose data it is. Throws ProvisioningError as upstream's
 * external-provisioner (getSnapshotSource) does. Pure.
 */
export function restorableHandle(
  claim: PersistentVolumeClaim,
  snapshot: VolumeSnapshot,
  content: VolumeSnapshotContent,
  driverName: string,
): string {
  const { name = "", namespace, uid, deletionTimestamp } = snapshot.metadata;
  const of = `VolumeSnapshot ${name}`;
  if (deletionTimestamp) throw refusal(`${of} is being deleted`);
  const { volumeSnapshotRef: owner, driver, sourceVolumeMode } = content.spec;
  const isOwner =
    owner.name === name && owner.namespace === namespace && uid !== undefined && owner.uid === uid;
  if (!isOwner) throw refusal(`${of} is not bound to a content`);
  if (driver !== driverName) throw refusal(`${of} is of another driver than ${driverName}`);
  if (snapshot.status?.readyToUse !== true) throw refusal(`${of} is not ready to use`);
  const handle = content.status?.snapshotHandle;
  if (!handle) throw refusal(`${of} has no snapshotHandle in its content`);
  const asked = claim.spec.resources?.requests?.["storage"];
  const { restoreSize } = snapshot.status;
  if (asked !== undefined && restoreSize !== undefined && valueOf(asked) < valueOf(restoreSize)) {
    throw refusal(`the claim requests ${asked}, less than ${restoreSize} of ${of}`);
  }
  const mode = claim.spec.volumeMode ?? "Filesystem";
  const mayChange = content.metadata.annotations?.[ALLOWS_MODE_CHANGE] === "true";
  if (sourceVolumeMode !== undefined && sourceVolumeMode !== mode && !mayChange) {
    throw refusal(`${of} is of a volume of mode ${sourceVolumeMode}, the claim of ${mode}`);
  }
  return handle;
}
