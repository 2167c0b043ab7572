import path from "node:path";
import {
  NodeServiceCapability_RPC_Type as Capability,
  VolumeCapability_AccessMode_Mode as Mode,
  Node,
  type NodeMethods,
  type NodePublishVolumeRequest,
  type NodeStageVolumeRequest,
} from "@raft2kube/proto/gen/csi.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { ServedService } from "@raft2kube/rpc/routes.ts";
import { type Handlers, serve } from "@raft2kube/rpc/server.ts";
import { capacityOf } from "../../lib/capacity.ts";
import {
  alreadyExists,
  failedPrecondition,
  internal,
  invalidArgument,
  notFound,
} from "../../lib/errors.ts";
import { requirePath, requireString } from "../../lib/fields.ts";
import {
  isReadOnly,
  makeMountPoint,
  mountAt,
  mountPointOf,
  removeMountPoint,
  requireDirectory,
  unmountAll,
} from "../../lib/mount-point.ts";
import { publishBlock, stageBlock, unstageBlock } from "./block-device.ts";
import { type CheckedCapability, requireCapability } from "./capability.ts";
import { deleteVolume, type HostPathDriver, requireVolume } from "./driver.ts";
import { isEphemeral, makeEphemeralVolume } from "./ephemeral.ts";
import { detachSwapped } from "./held-devices.ts";
import { CAPACITY_BYTES_MAX } from "./limits.ts";
import { topologyOf } from "./messages.ts";
import { bind, mountVolume } from "./mount.ts";
import { type HostPathVolume, volumeOf } from "./state.ts";
import { writeOut } from "./volume-image.ts";
import {
  isImageAt,
  isLoopDeviceNode,
  loopDeviceWithNodeAt,
  mountsOfVolume,
} from "./volume-mounts.ts";
import { requireSpace, volumeStats } from "./volume-usage.ts";

const CAPABILITIES = [
  Capability.STAGE_UNSTAGE_VOLUME,
  Capability.GET_VOLUME_STATS,
  Capability.EXPAND_VOLUME,
  Capability.VOLUME_CONDITION,
  Capability.SINGLE_NODE_MULTI_WRITER,
];

/**
 * The Node service: publishes volumes to pods by mounts. The mounts are read from the kernel at
 * each call, so every call can be repeated after a crash of either side.
 */
export function nodeService(driver: HostPathDriver): ServedService {
  const handlers: Handlers<NodeMethods> = {
    nodeGetCapabilities: () => ({ capabilities: CAPABILITIES.map((type) => ({ rpc: { type } })) }),
    nodeGetInfo: () => ({
      nodeId: driver.place.nodeId,
      maxVolumesPerNode: driver.maxVolumesPerNode,
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
      await driver.pending.run([id], async () => {
        const { contents, held, state } = driver;
        const block = volumeOf(state.current, id)?.block;
        if (block) await unstageBlock(held, id, contents.pathOf("volumes", id));
        else await unmountVolume(driver, id, staging);
      });
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
        const device = loopDeviceWithNodeAt(target);
        const point = await unmountVolume(driver, id, target);
        if (device) detachSwapped(device.name, path.dirname(driver.contents.pathOf("volumes", id)));
        if (point !== undefined) await removeMountPoint(point);
        if (volumeOf(driver.state.current, id)?.ephemeral) await deleteVolume(driver, id);
      });
      return {};
    },
    nodeGetVolumeStats: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      if (request.volumePath === "") requirePath("volume_path", "");
      const volume = await requireMountedAt(driver, id, request.volumePath);
      return volumeStats(driver, volume, request.volumePath);
    },
    nodeExpandVolume: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      if (request.volumePath === "") requirePath("volume_path", "");
      capacityOf(request.capacityRange, CAPACITY_BYTES_MAX);
      const volume = await requireMountedAt(driver, id, request.volumePath);
      // ControllerExpandVolume has done it: it runs on the volume's node.
      return { capacityBytes: volume.capacity_bytes };
    },
  };
  return serve(Node, handlers);
}

/**
 * Mounts a volume at the staging path, which is a directory; a block volume gets its device. A
 * volume that is staged there already, with the same access, stays. Throws NOT_FOUND,
 * INVALID_ARGUMENT for another kind of access, ALREADY_EXISTS for a mount of it there that differs,
 * FAILED_PRECONDITION for a mount of something else.
 */
async function stage(
  driver: HostPathDriver,
  request: NodeStageVolumeRequest,
  stagingPath: string,
  capability: CheckedCapability,
): Promise<void> {
  // lab:16 begin stage
  const volume = requireVolume(driver, request.volumeId);
  const { id } = volume;
  requireAccessType(volume, capability);
  const staging = await mountPointOf("staging_target_path", stagingPath);
  if (volume.block) return stageBlock(driver.held, driver.contents.pathOf("volumes", id));
  const flags = capability.mount?.mountFlags ?? [];
  if (isMountedAt(driver, id, staging, flags.includes("ro"))) return;
  await requireDirectory("staging_target_path", staging);
  await mountVolume(driver.contents, id, staging, flags);
  // lab:16 end
}

/**
 * Mounts a staged volume at a pod's path: read-only where the request, the flags or the access mode
 * say so. An ephemeral volume is made first, and is never staged. A volume that is published there
 * already stays; a single writer's volume is published at one path. Throws FAILED_PRECONDITION for
 * a volume that is not staged.
 */
async function publish(
  driver: HostPathDriver,
  request: NodePublishVolumeRequest,
  targetPath: string,
  capability: CheckedCapability,
): Promise<void> {
  // lab:16 begin publish
  const ephemeral = isEphemeral(request.volumeContext);
  if (ephemeral) await makeEphemeralVolume(driver, request);
  const volume = requireVolume(driver, request.volumeId);
  const { id, block } = volume;
  requireAccessType(volume, capability);
  const staging = ephemeral || block ? undefined : await requireStaged(driver, id, request);
  const target = await mountPointOf("target_path", targetPath);
  const { mountFlags = [] } = capability.mount ?? {};
  const { mode } = capability.accessMode;
  const readOnly =
    request.readonly || mountFlags.includes("ro") || mode === Mode.SINGLE_NODE_READER_ONLY;
  if (!block && isMountedAt(driver, id, target, readOnly)) return;
  if (mode === Mode.SINGLE_NODE_SINGLE_WRITER) requireUnpublished(driver, id, [staging, target]);
  if (block) {
    const content = driver.contents.pathOf("volumes", id);
    return publishBlock(driver.held, { id, content }, target, readOnly);
  }
  if (!readOnly) await requireSpace(driver, volume);
  await makeMountPoint(target);
  const wanted = readOnly ? [...mountFlags, "ro"] : mountFlags;
  if (staging !== undefined) bind(staging, target, wanted);
  else await mountVolume(driver.contents, id, target, wanted);
  // lab:16 end
}

/** Throws INVALID_ARGUMENT for a block device that is to be mounted, and the reverse. */
function requireAccessType({ id, block }: HostPathVolume, capability: CheckedCapability): void {
  if (block === (capability.mount === undefined)) return;
  const is = block ? "a block device" : "a file system";
  throw invalidArgument(`volume ${id} is ${is}: volume_capability has the other access type`);
}

/**
 * Unmounts the volume from `mounted` and gives that path resolved; undefined when it is not there.
 */
async function unmountVolume(
  driver: HostPathDriver,
  id: string,
  mounted: string,
): Promise<string | undefined> {
  // lab:16 begin unmountVolume
  let point: string;
  try {
    point = await mountPointOf("path", mounted);
  } catch (thrown) {
    if (thrown instanceof RpcError && thrown.status === Status.NOT_FOUND) return undefined;
    throw thrown;
  }
  if (!mountAt(point)) return point;
  const { block } = requireVolume(driver, id);
  const ours = mountsOfVolume(driver.contents.pathOf("volumes", id));
  const isMounted = ours.some((mount) => mount.mountPoint === point);
  if (!isMounted && !(block && isLoopDeviceNode(point))) {
    throw internal(`${point} is mounted, but not from volume ${id}: left alone`);
  }
  const isLast = ours.every((mount) => mount.mountPoint === point);
  if (isLast && !block && (await driver.contents.formOf("volumes", id)) === "image") {
    await writeOut(["-f", point]);
  }
  await unmountAll(point, id);
  return point;
  // lab:16 end
}

/**
 * Whether the volume is mounted at `point` already, in the way asked for. Throws ALREADY_EXISTS
 * when it is there in another way, FAILED_PRECONDITION when something else is.
 */
function isMountedAt(
  driver: HostPathDriver,
  id: string,
  point: string,
  readOnly: boolean,
): boolean {
  // lab:16 begin is-mounted-at
  const mount = mountAt(point);
  if (!mount) return false;
  const ours = mountsOfVolume(driver.contents.pathOf("volumes", id));
  if (!ours.some((one) => one.id === mount.id)) {
    throw failedPrecondition(`something else is mounted at ${point}`);
  }
  if (isReadOnly(mount) !== readOnly) {
    const now = isReadOnly(mount) ? "read-only" : "writable";
    throw alreadyExists(`volume ${id} is mounted at ${point} already, ${now}`);
  }
  return true;
  // lab:16 end
}

async function requireStaged(
  driver: HostPathDriver,
  id: string,
  request: NodePublishVolumeRequest,
): Promise<string> {
  if (request.stagingTargetPath === "") throw failedPrecondition("staging_target_path is missing");
  const plain = requirePath("staging_target_path", request.stagingTargetPath);
  const staging = await mountPointOf("staging_target_path", plain);
  const ours = mountsOfVolume(driver.contents.pathOf("volumes", id));
  if (!ours.some((mount) => mount.mountPoint === staging)) {
    throw failedPrecondition(`volume ${id} is not staged at ${staging}`);
  }
  return staging;
}

/** SINGLE_NODE_SINGLE_WRITER: one target path on the node (CSI spec, NodePublishVolume). */
function requireUnpublished(
  driver: HostPathDriver,
  id: string,
  allowed: readonly (string | undefined)[],
): void {
  const ours = mountsOfVolume(driver.contents.pathOf("volumes", id));
  const other = ours.find((mount) => !allowed.includes(mount.mountPoint));
  if (other) throw failedPrecondition(`volume ${id} is published at ${other.mountPoint} already`);
}

async function requireMountedAt(driver: HostPathDriver, id: string, volumePath: string) {
  const volume = requireVolume(driver, id);
  const point = path.isAbsolute(volumePath)
    ? await mountPointOf("volume_path", volumePath)
    : volumePath;
  const content = driver.contents.pathOf("volumes", id);
  if (path.isAbsolute(point) && isImageAt(content, point)) return volume;
  if (mountsOfVolume(content).some((mount) => mount.mountPoint === point)) return volume;
  throw notFound(`volume ${id} is not mounted at ${volumePath}`);
}
