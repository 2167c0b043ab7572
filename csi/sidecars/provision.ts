import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { isAlreadyExists } from "@raft2kube/client-kube/errors.ts";
import { translateClass } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  PERSISTENT_VOLUMES,
  VOLUME_ATTRIBUTES_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type CreateVolumeRequest,
  ControllerServiceCapability_RPC_Type as Rpc,
  type Volume,
} from "@raft2kube/proto/gen/csi.ts";
import { contentSourceOf } from "./content-source.ts";
import { createVolumeRequest } from "./create-request.ts";
import { CONTROLLER_CALL_TIMEOUT_MS } from "./limits.ts";
import { persistentVolumeOf } from "./persistent-volume.ts";
import { ORPHANED, ProvisioningError } from "./provisioning-error.ts";
import { rpcErrorText } from "./rpc-error-text.ts";
import { type TopologyContext, topologyFor } from "./topology.ts";

export interface ProvisionContext extends TopologyContext {
  /** Whether CreateVolume gets the names of claim and volume. */
  extraCreateMetadata: boolean;
}

/**
 * Returns the CreateVolume request for a claim. Throws ProvisioningError or the API's errors; the
 * driver is not called.
 */
export async function requestFor(
  context: ProvisionContext,
  claim: PersistentVolumeClaim,
  namedClass: StorageClass,
  selectedNode: string | undefined,
): Promise<Init<CreateVolumeRequest>> {
  return createVolumeRequest(claim, translateClass(namedClass), {
    capabilities: context.driver.capabilities,
    topology: await topologyFor(context, claim, namedClass, selectedNode),
    source: await contentSourceOf(context, claim),
    mutableParameters: await attributesOf(context, claim),
    names: context.extraCreateMetadata,
  });
}

/**
 * Creates the volume of a claim and its PersistentVolume. Returns the latter's name. Both are named
 * after the claim, so that a repeated attempt finds them. Throws RpcError if the driver creates
 * none, ProvisioningError or the API's errors after it did. A volume that is not as requested is
 * deleted, as upstream; where that fails, the error is one of ORPHANED.
 */
export async function provision(
  { client, driver }: ProvisionContext,
  claim: PersistentVolumeClaim,
  namedClass: StorageClass,
  request: Init<CreateVolumeRequest>,
): Promise<string> {
  const { volume } = await driver.controller.createVolume(request, {
    timeout_ms: CONTROLLER_CALL_TIMEOUT_MS,
  });
  if (!volume) throw new ProvisioningError("BadDriver", "the driver answered without a volume");
  const wrong = unlikeRequest(request, volume);
  if (wrong !== undefined) {
    const { volumeId } = volume;
    const options = { timeout_ms: CONTROLLER_CALL_TIMEOUT_MS };
    await driver.controller.deleteVolume({ volumeId }, options).catch((thrown: unknown) => {
      const why = `cleanup of volume ${request.name} failed, volume is orphaned`;
      const text = `${wrong}. ${why}: ${rpcErrorText(thrown)}`;
      throw new ProvisioningError(ORPHANED, text, { cause: thrown });
    });
    throw new ProvisioningError("BadDriver", wrong);
  }
  const persistentVolume = persistentVolumeOf(
    claim,
    translateClass(namedClass),
    driver.name,
    volume,
    driver.capabilities,
  );
  await createOnce(client, persistentVolume, volume);
  return persistentVolume.metadata.name ?? "";
}

/**
 * Returns what a created volume lacks of the request, in upstream's words: its size or its content,
 * without which a claim of a snapshot would be bound to an empty volume. Pure.
 */
function unlikeRequest(
  { capacityRange, volumeContentSource }: Init<CreateVolumeRequest>,
  { capacityBytes, contentSource }: Volume,
): string | undefined {
  const required = capacityRange?.requiredBytes ?? 0;
  // 0 is an unknown capacity.
  if (capacityBytes !== 0 && capacityBytes < required) {
    return `created volume capacity ${capacityBytes} less than requested capacity ${required}`;
  }
  if (volumeContentSource && !contentSource) return "volume content source missing";
  return undefined;
}

async function createOnce(
  client: KubeClient,
  persistentVolume: PersistentVolume,
  volume: Volume,
): Promise<void> {
  const volumes = client.resource(PERSISTENT_VOLUMES);
  try {
    await volumes.create(persistentVolume);
  } catch (thrown) {
    if (!isAlreadyExists(thrown)) throw thrown;
    const existing = await volumes.get({ name: persistentVolume.metadata.name ?? "" });
    if (existing.spec.csi?.volumeHandle === volume.volumeId) return;
    const message = `PersistentVolume ${existing.metadata.name} exists and shows another volume`;
    throw new ProvisioningError("NameTaken", message, { cause: thrown });
  }
}

/** Returns the parameters of the claim's VolumeAttributesClass, which the driver must know. */
async function attributesOf(
  { client, driver }: ProvisionContext,
  { spec }: PersistentVolumeClaim,
): Promise<Record<string, string>> {
  const name = spec.volumeAttributesClassName;
  if (!name) return {};
  if (!driver.capabilities.has(Rpc.MODIFY_VOLUME)) {
    const message =
      `driver ${driver.name} does not modify volumes: the claim's ` +
      `VolumeAttributesClass ${name} is not supported`;
    throw new ProvisioningError("VolumeAttributesClass", message);
  }
  const classes = client.resource(VOLUME_ATTRIBUTES_CLASSES);
  const { driverName, parameters = {} } = await classes.get({ name });
  if (driverName === driver.name) return parameters;
  const message = `VolumeAttributesClass ${name} is of driver ${driverName}, not ${driver.name}`;
  throw new ProvisioningError("VolumeAttributesClass", message);
}
