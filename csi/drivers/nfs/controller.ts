import type { Init } from "@raft2kube/proto/codec.ts";
import {
  ControllerServiceCapability_RPC_Type as Capability,
  Controller,
  type ControllerExpandVolumeRequest,
  type ControllerMethods,
  type CreateVolumeRequest,
  type ValidateVolumeCapabilitiesRequest,
  type ValidateVolumeCapabilitiesResponse,
  type Volume,
} from "@raft2kube/proto/gen/csi.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { ServedService } from "@raft2kube/rpc/routes.ts";
import { type Handlers, serve } from "@raft2kube/rpc/server.ts";
import { capacityOf } from "../../lib/capacity.ts";
import { invalidArgument, notFound } from "../../lib/errors.ts";
import { requireString } from "../../lib/fields.ts";
import { PVC_NAMESPACE } from "../../lib/parameters.ts";
import { capabilityOf } from "./capability.ts";
import { planCreateVolume } from "./create-volume.ts";
import { inShare, type NfsDriver } from "./driver.ts";
import { CAPACITY_BYTES_MAX, CONTENT_TIMEOUT_MS, SHARE_TIMEOUT_MS } from "./limits.ts";
import { volumeMessage } from "./messages.ts";
import type { VolumeRecord } from "./record.ts";
import { copiesOf } from "./share-processes.ts";
import { snapshotHandlers } from "./snapshots.ts";
import { type ObjectId, parseId } from "./volume-id.ts";

// Nothing is listed: a call that names no volume names no share.
const CAPABILITIES = [
  Capability.CREATE_DELETE_VOLUME,
  Capability.CREATE_DELETE_SNAPSHOT,
  Capability.CLONE_VOLUME,
  Capability.EXPAND_VOLUME,
  Capability.GET_VOLUME,
  Capability.VOLUME_CONDITION,
  Capability.SINGLE_NODE_MULTI_WRITER,
];

/** The Controller service: directories of shares made, copied and deleted. */
export function controllerService(driver: NfsDriver): ServedService {
  const handlers: Handlers<ControllerMethods> = {
    controllerGetCapabilities: () => ({
      capabilities: CAPABILITIES.map((type) => ({ rpc: { type } })),
    }),
    createVolume: async (request) => ({ volume: await createVolume(driver, request) }),
    deleteVolume: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      const found = parseId(id);
      if (found) await deleteVolume(driver, id, found);
      return {};
    },
    validateVolumeCapabilities: (request) => validateCapabilities(driver, request),
    controllerGetVolume: async (request) => {
      const { share, key } = requireId(request.volumeId);
      const volume = await getVolume(driver, { share, key });
      const volumeCondition = { abnormal: false, message: "the server has the volume" };
      return { volume: volumeMessage(share, volume), status: { volumeCondition } };
    },
    controllerExpandVolume: async (request) => ({
      capacityBytes: (await expandVolume(driver, request)).capacity_bytes,
      nodeExpansionRequired: false,
    }),
    ...snapshotHandlers(driver),
  };
  return serve(Controller, handlers);
}

async function createVolume(
  driver: NfsDriver,
  request: CreateVolumeRequest,
): Promise<Init<Volume>> {
  const { share, mount, volume } = planCreateVolume(request);
  const namespace = request.parameters[PVC_NAMESPACE];
  const limits = volume.source
    ? {
        server: copiesOf(share.server),
        timeout_ms: CONTENT_TIMEOUT_MS,
        ...(namespace !== undefined && { namespace }),
      }
    : { server: share.server, timeout_ms: SHARE_TIMEOUT_MS };
  const keys = [volume.name, volume.key, ...(volume.source ? [volume.source.key] : [])];
  const record = await driver.pending.run(keys, () =>
    driver.processes.run("createVolume", { ...inShare(driver, share, mount), volume }, limits),
  );
  return volumeMessage(share, record);
}

async function deleteVolume(
  driver: NfsDriver,
  id: string,
  { share, key }: ObjectId,
): Promise<void> {
  await driver.pending.run([id, key], () =>
    driver.removals.run("deleteVolume", { ...inShare(driver, share), key }),
  );
}

/** The parts of a volume's id. Throws INVALID_ARGUMENT for none, NOT_FOUND for a foreign one. */
function requireId(volumeId: string): ObjectId {
  const id = requireString("volume_id", volumeId);
  const found = parseId(id);
  if (!found) throw notFound(`volume ${id} does not exist`);
  return found;
}

function getVolume(driver: NfsDriver, { share, key }: ObjectId): Promise<VolumeRecord> {
  const { server } = share;
  return driver.processes.run(
    "getVolume",
    { ...inShare(driver, share), key },
    { server, timeout_ms: SHARE_TIMEOUT_MS },
  );
}

async function expandVolume(
  driver: NfsDriver,
  request: ControllerExpandVolumeRequest,
): Promise<VolumeRecord> {
  const { share, key } = requireId(request.volumeId);
  if (!request.capacityRange) throw invalidArgument("capacity_range is missing");
  const { required_bytes, limit_bytes } = capacityOf(request.capacityRange, CAPACITY_BYTES_MAX);
  const limit = limit_bytes === Infinity ? 0 : limit_bytes;
  const { server } = share;
  return driver.pending.run([key], () =>
    driver.processes.run(
      "expandVolume",
      { ...inShare(driver, share), key, required_bytes, limit_bytes: limit },
      { server, timeout_ms: SHARE_TIMEOUT_MS },
    ),
  );
}

async function validateCapabilities(
  driver: NfsDriver,
  request: ValidateVolumeCapabilitiesRequest,
): Promise<Init<ValidateVolumeCapabilitiesResponse>> {
  const { volumeCapabilities, volumeContext, parameters, volumeId } = request;
  requireString("volume_id", volumeId);
  if (volumeCapabilities.length === 0) throw invalidArgument("volume_capabilities is missing");
  await getVolume(driver, requireId(volumeId));
  for (const capability of volumeCapabilities) {
    try {
      capabilityOf(capability);
    } catch (thrown) {
      if (!(thrown instanceof RpcError) || thrown.status !== Status.INVALID_ARGUMENT) throw thrown;
      return { message: thrown.message };
    }
  }
  return { confirmed: { volumeContext, volumeCapabilities, parameters } };
}
