import { statfs } from "node:fs/promises";
import path from "node:path";
import {
  Node,
  NodeServiceCapability_RPC_Type as Capability,
  VolumeCapability_AccessMode_Mode as Mode,
  VolumeUsage_Unit as Unit,
  type NodeMethods,
  type NodePublishVolumeRequest,
  type NodeStageVolumeRequest,
  type VolumeUsage,
} from "@raft2kube/proto/gen/csi.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { serve, type Handlers, type ServedService } from "@raft2kube/rpc/server.ts";
import { alreadyExists, failedPrecondition, internal, notFound } from "../../lib/errors.ts";
import { requirePath, requireString } from "../../lib/fields.ts";
import {
  bind,
  makeMountPoint,
  mountPointOf,
  removeMountPoint,
  requireDirectory,
  unmountAll,
} from "./bind.ts";
import { requireCapability, type MountCapability } from "./capability.ts";
import { capacityOf } from "./capacity.ts";
import { deleteVolume, requireVolume, type HostPathDriver } from "./driver.ts";
import { isEphemeral, makeEphemeralVolume } from "./ephemeral.ts";
import { topologyOf } from "./messages.ts";
import { volumeOf } from "./state.ts";
import { isReadOnly, mountAt, mountsOfVolume } from "./volume-mounts.ts";

const CAPABILITIES = [
  Capability.STAGE_UNSTAGE_VOLUME,
  Capability.GET_VOLUME_STATS,
  Capability.EXPAND_VOLUME,
  Capability.VOLUME_CONDITION,
  Capability.SINGLE_NODE_MULTI_WRITER,
];

/**
 * The Node service: volumes shown to pods by bind mounts. What is mounted where is read from the
 * kernel at each call, so every call can be repeated after a crash of either side.
 */
export function nodeService(driver: HostPathDriver): ServedService {
  const handlers: Handlers<NodeMethods> = {
    nodeGetCapabilities: () => ({ capabilities: CAPABILITIES.map((type) => ({ rpc: { type } })) }),
    nodeGetInfo: () => ({
      nodeId: driver.place.nodeId,
      accessibleTopology: topologyOf(driver.place),
    }),
    nodeStageVolume: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      const staging = requirePath("staging_target_path", request.stagingTargetPath);
      const capability = requireCapability(request.volumeCapability);
      await driver.pending.run([id], () => stage(driver, request, staging, capability));
      return {};
    },
    nodeUnstageVolume: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      const staging = requirePath("staging_target_path", request.stagingTargetPath);
      await driver.pending.run([id], () => withdraw(driver, id, staging));
      return {};
    },
    nodePublishVolume: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      const target = requirePath("target_path", request.targetPath);
      const capability = requireCapability(request.volumeCapability);
      await driver.pending.run([id], () => publish(driver, request, target, capability));
      return {};
    },
    nodeUnpublishVolume: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      const target = requirePath("target_path", request.targetPath);
      await driver.pending.run([id], async () => {
        const point = await withdraw(driver, id, target);
        if (point !== undefined) await removeMountPoint(point);
        if (volumeOf(driver.state.current, id)?.ephemeral) await deleteVolume(driver, id);
      });
      return {};
    },
    nodeGetVolumeStats: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      if (request.volumePath === "") requirePath("volume_path", "");
      await requireShownAt(driver, id, request.volumePath);
      const volumeCondition = { abnormal: false, message: "the volume is mounted" };
      return { usage: await usageOf(request.volumePath), volumeCondition };
    },
    nodeExpandVolume: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      if (request.volumePath === "") requirePath("volume_path", "");
      capacityOf(request.capacityRange);
      const volume = requireVolume(driver, id);
      await requireShownAt(driver, id, request.volumePath);
      // A directory grows by itself: the size was recorded by ControllerExpandVolume.
      return { capacityBytes: volume.capacity_bytes };
    },
  };
  return serve(Node, handlers);
}

async function stage(
  driver: HostPathDriver,
  request: NodeStageVolumeRequest,
  stagingPath: string,
  capability: MountCapability,
): Promise<void> {
  const { id } = requireVolume(driver, request.volumeId);
  const staging = await mountPointOf("staging_target_path", stagingPath);
  const flags = capability.mount.mountFlags;
  if (isShownAt(driver, id, staging, flags.includes("ro"))) return;
  await requireContent(driver, id);
  await requireDirectory("staging_target_path", staging);
  bind(driver.directories.pathOf("volumes", id), staging, flags);
}

async function publish(
  driver: HostPathDriver,
  request: NodePublishVolumeRequest,
  targetPath: string,
  capability: MountCapability,
): Promise<void> {
  const ephemeral = isEphemeral(request.volumeContext);
  if (ephemeral) await makeEphemeralVolume(driver, request);
  const { id } = requireVolume(driver, request.volumeId);
  const staging = ephemeral ? undefined : await requireStaged(driver, id, request);
  const target = await mountPointOf("target_path", targetPath);
  const readOnly =
    request.readonly ||
    capability.mount.mountFlags.includes("ro") ||
    capability.accessMode.mode === Mode.SINGLE_NODE_READER_ONLY;
  if (isShownAt(driver, id, target, readOnly)) return;
  if (capability.accessMode.mode === Mode.SINGLE_NODE_SINGLE_WRITER) {
    requireUnpublished(driver, id, staging);
  }
  await requireContent(driver, id);
  await makeMountPoint("target_path", target);
  const flags = capability.mount.mountFlags.filter((flag) => flag !== "rw");
  const source = staging ?? driver.directories.pathOf("volumes", id);
  bind(source, target, readOnly ? [...flags, "ro"] : flags);
}

/**
 * Unmounts the volume from `mounted` and gives that path resolved; undefined when it is not there.
 */
async function withdraw(
  driver: HostPathDriver,
  id: string,
  mounted: string,
): Promise<string | undefined> {
  let point: string;
  try {
    point = await mountPointOf("path", mounted);
  } catch (thrown) {
    if (thrown instanceof RpcError && thrown.status === Status.NOT_FOUND) return undefined;
    throw thrown;
  }
  if (!mountAt(point)) return point;
  requireVolume(driver, id);
  const ours = mountsOfVolume(driver.directories.pathOf("volumes", id));
  if (!ours.some((mount) => mount.mountPoint === point)) {
    throw internal(`${point} is mounted, but not from volume ${id}: left alone`);
  }
  unmountAll(point);
  return point;
}

/**
 * Whether the volume is mounted at `point` already, in the way asked for. Throws ALREADY_EXISTS
 * when it is there in another way, FAILED_PRECONDITION when something else is.
 */
function isShownAt(driver: HostPathDriver, id: string, point: string, readOnly: boolean): boolean {
  const mount = mountAt(point);
  if (!mount) return false;
  const ours = mountsOfVolume(driver.directories.pathOf("volumes", id));
  if (!ours.some((one) => one.id === mount.id)) {
    throw failedPrecondition(`something else is mounted at ${point}`);
  }
  if (isReadOnly(mount) !== readOnly) {
    const now = isReadOnly(mount) ? "read-only" : "writable";
    throw alreadyExists(`volume ${id} is mounted at ${point} already, ${now}`);
  }
  return true;
}

async function requireStaged(
  driver: HostPathDriver,
  id: string,
  request: NodePublishVolumeRequest,
): Promise<string> {
  if (request.stagingTargetPath === "") throw failedPrecondition("staging_target_path is missing");
  const plain = requirePath("staging_target_path", request.stagingTargetPath);
  const staging = await mountPointOf("staging_target_path", plain);
  const ours = mountsOfVolume(driver.directories.pathOf("volumes", id));
  if (!ours.some((mount) => mount.mountPoint === staging)) {
    throw failedPrecondition(`volume ${id} is not staged at ${staging}`);
  }
  return staging;
}

/** SINGLE_NODE_SINGLE_WRITER: one target path on the node (CSI spec, NodePublishVolume). */
function requireUnpublished(driver: HostPathDriver, id: string, staging: string | undefined): void {
  const ours = mountsOfVolume(driver.directories.pathOf("volumes", id));
  const other = ours.find((mount) => mount.mountPoint !== staging);
  if (other) throw failedPrecondition(`volume ${id} is published at ${other.mountPoint} already`);
}

async function requireContent(driver: HostPathDriver, id: string): Promise<void> {
  if (await driver.directories.exists("volumes", id)) return;
  throw internal(`the directory of volume ${id} is missing from the disk`);
}

async function requireShownAt(driver: HostPathDriver, id: string, shown: string): Promise<void> {
  requireVolume(driver, id);
  const point = path.isAbsolute(shown) ? await mountPointOf("volume_path", shown) : shown;
  const ours = mountsOfVolume(driver.directories.pathOf("volumes", id));
  if (ours.some((mount) => mount.mountPoint === point)) return;
  throw notFound(`volume ${id} is not mounted at ${shown}`);
}

/** Of the file system below: a directory has no size of its own. */
async function usageOf(directory: string): Promise<VolumeUsage[]> {
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(directory);
  return [
    {
      unit: Unit.BYTES,
      total: blocks * bsize,
      used: (blocks - bfree) * bsize,
      available: bavail * bsize,
    },
    { unit: Unit.INODES, total: files, used: files - ffree, available: ffree },
  ];
}
