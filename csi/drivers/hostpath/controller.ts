import { randomUUID } from "node:crypto";
import { statfs } from "node:fs/promises";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  ControllerServiceCapability_RPC_Type as Capability,
  Controller,
  type ControllerExpandVolumeRequest,
  type ControllerMethods,
  type CreateVolumeRequest,
  type GetCapacityRequest,
  type ValidateVolumeCapabilitiesRequest,
  type ValidateVolumeCapabilitiesResponse,
  type VolumeCondition,
} from "@raft2kube/proto/gen/csi.ts";
import type { ServedService } from "@raft2kube/rpc/routes.ts";
import { type Handlers, serve } from "@raft2kube/rpc/server.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { capacityOf } from "../../lib/capacity.ts";
import { invalidArgument, outOfRange } from "../../lib/errors.ts";
import { requireString } from "../../lib/fields.ts";
import { pageOf } from "../../lib/paging.ts";
import { PVC_NAMESPACE, requireParameters } from "../../lib/parameters.ts";
import { unsupported } from "./capability.ts";
import { planCreateVolume } from "./create-volume.ts";
import { deleteVolume, type HostPathDriver, makeVolume, requireVolume } from "./driver.ts";
import { CAPACITY_BYTES_MAX } from "./limits.ts";
import { topologyOf, volumeMessage } from "./messages.ts";
import { snapshotHandlers } from "./snapshots.ts";
import { type HostPathVolume, withVolume } from "./state.ts";
import { conditionOfExcess } from "./volume-usage.ts";

// GET_SNAPSHOT of CSI 1.12 is left out: csi-sanity 5.4 fails a plugin that declares it.
const CAPABILITIES = [
  Capability.CREATE_DELETE_VOLUME,
  Capability.LIST_VOLUMES,
  Capability.GET_CAPACITY,
  Capability.CREATE_DELETE_SNAPSHOT,
  Capability.LIST_SNAPSHOTS,
  Capability.CLONE_VOLUME,
  Capability.EXPAND_VOLUME,
  Capability.VOLUME_CONDITION,
  Capability.GET_VOLUME,
  Capability.SINGLE_NODE_MULTI_WRITER,
];

/** The Controller service: volumes and snapshots made, listed, grown and deleted. */
export function controllerService(driver: HostPathDriver): ServedService {
  const handlers: Handlers<ControllerMethods> = {
    controllerGetCapabilities: () => ({
      capabilities: capabilitiesOf(driver).map((type) => ({ rpc: { type } })),
    }),
    createVolume: async (request) => {
      const volume = await createVolume(driver, request);
      return { volume: volumeMessage(volume, driver.place) };
    },
    deleteVolume: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      await driver.pending.run([id], async () => {
        try {
          await deleteVolume(driver, id);
        } catch (thrown) {
          if (!isErrno(thrown, "ENOSPC")) throw thrown;
          // A full disk has no room to forget it in: its content makes some.
          await driver.contents.remove("volumes", id);
          await deleteVolume(driver, id);
        }
      });
      return {};
    },
    validateVolumeCapabilities: (request) => validateCapabilities(driver, request),
    listVolumes: async (request) => {
      const volumes = Object.values(driver.state.current.volumes);
      volumes.sort((a, b) => (a.id < b.id ? -1 : 1));
      const page = pageOf(volumes, (volume) => volume.id, request);
      const entries = page.items.map(async (volume) => ({
        volume: volumeMessage(volume, driver.place),
        status: { volumeCondition: await conditionOf(driver, volume) },
      }));
      return { entries: await Promise.all(entries), nextToken: page.nextToken };
    },
    controllerGetVolume: async (request) => {
      const volume = requireVolume(driver, requireString("volume_id", request.volumeId));
      const volumeCondition = await conditionOf(driver, volume);
      return { volume: volumeMessage(volume, driver.place), status: { volumeCondition } };
    },
    getCapacity: async (request) => ({
      availableCapacity: await availableBytes(driver, request),
      maximumVolumeSize: { value: CAPACITY_BYTES_MAX },
    }),
    controllerExpandVolume: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      const capacityBytes = await driver.pending.run([id], () => expandVolume(driver, id, request));
      return { capacityBytes, nodeExpansionRequired: false };
    },
    controllerModifyVolume: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      const { mutableParameters } = request;
      requireParameters("mutable_parameters", mutableParameters, driver.mutableParameters);
      await driver.pending.run([id], () => modifyVolume(driver, id, mutableParameters));
      return {};
    },
    ...snapshotHandlers(driver),
  };
  return serve(Controller, handlers);
}

function capabilitiesOf({ mutableParameters }: HostPathDriver): number[] {
  return [...CAPABILITIES, ...(mutableParameters.length > 0 ? [Capability.MODIFY_VOLUME] : [])];
}

async function modifyVolume(
  driver: HostPathDriver,
  id: string,
  changed: Readonly<Record<string, string>>,
): Promise<void> {
  const volume = requireVolume(driver, id);
  const mutableParameters = { ...volume.mutableParameters, ...changed };
  await driver.state.change((current) => withVolume(current, { ...volume, mutableParameters }));
}

/**
 * Returns the volume that a request names, made if it is not there. Calls for one name, or for one
 * source, wait for each other as `driver.pending` says. Throws what `planCreateVolume` refuses.
 */
async function createVolume(
  driver: HostPathDriver,
  request: CreateVolumeRequest,
): Promise<HostPathVolume> {
  // lab:16 begin create-volume
  const source = request.volumeContentSource;
  const sourceId = source?.volume?.volumeId ?? source?.snapshot?.snapshotId;
  const keys = sourceId === undefined ? [request.name] : [request.name, sourceId];
  return driver.pending.run(keys, async () => {
    const plan = planCreateVolume(
      driver.state.current,
      request,
      driver.place,
      driver.mutableParameters,
    );
    if (plan.kind === "existing") return plan.volume;
    const volume: HostPathVolume = { id: `vol-${randomUUID()}`, ...plan.volume };
    const namespace = request.parameters[PVC_NAMESPACE] ?? "";
    using _ = volume.source && driver.contents.copies.enter(namespace);
    await makeVolume(driver, volume);
    return volume;
  });
  // lab:16 end
}

/**
 * Confirms the capabilities that a volume has all of, with the request's context and parameters;
 * else says in a message which one it lacks. Throws INVALID_ARGUMENT without an id or capabilities,
 * NOT_FOUND for an unknown volume.
 */
function validateCapabilities(
  driver: HostPathDriver,
  request: ValidateVolumeCapabilitiesRequest,
): Init<ValidateVolumeCapabilitiesResponse> {
  // lab:16 begin validate-capabilities
  const id = requireString("volume_id", request.volumeId);
  const { volumeCapabilities, volumeContext, parameters } = request;
  if (volumeCapabilities.length === 0) throw invalidArgument("volume_capabilities is missing");
  const { block } = requireVolume(driver, id);
  for (const capability of volumeCapabilities) {
    const message = unsupported(capability);
    if (message !== undefined) return { message };
    if (block !== (capability.block !== undefined)) {
      return { message: `volume ${id} is ${block ? "a block device" : "a file system"}` };
    }
  }
  return { confirmed: { volumeContext, volumeCapabilities, parameters } };
  // lab:16 end
}

/**
 * Grows a volume's content, then its record, and returns the new capacity in bytes, which is never
 * below the present one. Throws INVALID_ARGUMENT without a range, NOT_FOUND, and OUT_OF_RANGE when
 * the volume is larger than the limit.
 */
async function expandVolume(
  driver: HostPathDriver,
  id: string,
  request: ControllerExpandVolumeRequest,
): Promise<number> {
  // lab:16 begin expand-volume
  if (!request.capacityRange) throw invalidArgument("capacity_range is missing");
  const capacity = capacityOf(request.capacityRange, CAPACITY_BYTES_MAX);
  const volume = requireVolume(driver, id);
  const capacity_bytes = Math.max(volume.capacity_bytes, capacity.required_bytes);
  if (capacity_bytes > capacity.limit_bytes) {
    throw outOfRange(`volume ${id} has ${capacity_bytes} bytes; it cannot be made smaller`);
  }
  if (volume.block) await driver.contents.growBlock(id, capacity_bytes);
  else await driver.contents.grow(id, capacity_bytes);
  await driver.state.change((current) => withVolume(current, { ...volume, capacity_bytes }));
  return capacity_bytes;
  // lab:16 end
}

/**
 * Bytes free on the disk below; 0 for a place or a kind of volume that the driver does not have.
 */
async function availableBytes(
  driver: HostPathDriver,
  request: GetCapacityRequest,
): Promise<number> {
  if (request.volumeCapabilities.some((one) => unsupported(one) !== undefined)) return 0;
  const asked = Object.entries(request.accessibleTopology?.segments ?? {});
  const { segments } = topologyOf(driver.place);
  if (asked.some(([key, value]) => segments[key] !== value)) return 0;
  const { bavail, bsize } = await statfs(driver.dataDir);
  return bavail * bsize;
}

async function conditionOf(
  driver: HostPathDriver,
  volume: HostPathVolume,
): Promise<VolumeCondition> {
  if ((await driver.contents.formOf("volumes", volume.id)) === undefined) {
    return { abnormal: true, message: "the volume's content is missing from the disk" };
  }
  return conditionOfExcess(driver, volume);
}
