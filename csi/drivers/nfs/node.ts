import { isAbsolute } from "node:path";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  NodeServiceCapability_RPC_Type as Capability,
  VolumeCapability_AccessMode_Mode as Mode,
  Node,
  type NodeGetVolumeStatsResponse,
  type NodeMethods,
  type NodePublishVolumeRequest,
  VolumeUsage_Unit as Unit,
} from "@raft2kube/proto/gen/csi.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { ServedService } from "@raft2kube/rpc/routes.ts";
import { type Handlers, serve } from "@raft2kube/rpc/server.ts";
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
} from "../../lib/mount-point.ts";
import { capabilityOf, type NfsCapability } from "./capability.ts";
import type { NfsDriver } from "./driver.ts";
import { MOUNT_TIMEOUT_MS, STATS_TIMEOUT_MS, UNMOUNT_TIMEOUT_MS } from "./limits.ts";
import { READ_ONLY } from "./mount-options.ts";
import { shareOf, sourceOf } from "./share.ts";
import { unmountsOf } from "./share-processes.ts";
import { requireSubDir } from "./sub-dir.ts";
import { parseId } from "./volume-id.ts";

const CAPABILITIES = [
  Capability.GET_VOLUME_STATS,
  Capability.VOLUME_CONDITION,
  Capability.SINGLE_NODE_MULTI_WRITER,
];

/** Mounts stacked on one path that an unpublish takes away before it gives up. */
const STACKED_MAX = 16;

/**
 * The Node service: a mount for each pod, of the server's directory itself. Nothing is staged, as
 * the kernel shares the state of several mounts of one export. The mounts are read from the kernel
 * at each call; calls that may wait for the server run in a process of their own.
 */
export function nodeService(driver: NfsDriver): ServedService {
  const handlers: Handlers<NodeMethods> = {
    nodeGetCapabilities: () => ({ capabilities: CAPABILITIES.map((type) => ({ rpc: { type } })) }),
    nodeGetInfo: () => ({ nodeId: driver.nodeId }),
    nodePublishVolume: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      const target = requirePath("target_path", request.targetPath);
      const capability = capabilityOf(request.volumeCapability);
      await driver.pending.run([`${id} ${target}`], () =>
        publish(driver, request, target, capability),
      );
      return {};
    },
    nodeUnpublishVolume: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      const target = requirePath("target_path", request.targetPath);
      await driver.pending.run([`${id} ${target}`], () => unpublish(driver, id, target));
      return {};
    },
    nodeGetVolumeStats: async (request) => {
      const id = requireString("volume_id", request.volumeId);
      if (request.volumePath === "") requirePath("volume_path", "");
      return stats(driver, id, request.volumePath);
    },
  };
  return serve(Node, handlers);
}

/**
 * Mounts the directory that the volume's context names at the target path, read-only where the
 * capability or the request says so. There already in this way: success. A mount point that a
 * failed call has made is removed again.
 */
async function publish(
  driver: NfsDriver,
  request: NodePublishVolumeRequest,
  targetPath: string,
  { mode, mount }: NfsCapability,
): Promise<void> {
  // lab:17 begin publish
  const share = shareOf("volume_context", request.volumeContext);
  const { subDir: given = "" } = request.volumeContext;
  const subDir = given === "" ? "" : requireSubDir("volume_context.subDir", given);
  const key = parseId(request.volumeId)?.key;
  if (key !== undefined && subDir === "") throw invalidArgument("volume_context.subDir is missing");
  const source = sourceOf(share, subDir);
  const attributes = mount.attributes | (request.readonly ? READ_ONLY : 0);
  const target = await mountPointOf("target_path", targetPath);
  if (isMountedAt(driver, source, target, (attributes & READ_ONLY) !== 0)) return;
  if (mode === Mode.SINGLE_NODE_SINGLE_WRITER) requireUnpublished(driver, source);
  await makeMountPoint(target);
  try {
    await driver.processes.run(
      "publish",
      { share, mount: { ...mount, attributes }, subDir, key, target },
      { server: share.server, timeout_ms: MOUNT_TIMEOUT_MS },
    );
  } catch (thrown) {
    if (!mountAt(target)) await removeMountPoint(target);
    throw thrown;
  }
  // lab:17 end
}

/**
 * Whether the directory is mounted at `point` already, in the way asked for. Throws ALREADY_EXISTS
 * when it is there in another way, FAILED_PRECONDITION when something else is.
 */
function isMountedAt(driver: NfsDriver, source: string, point: string, readOnly: boolean): boolean {
  // lab:17 begin shown
  const mount = mountAt(point);
  if (!mount) return false;
  if (driver.sourceOfMount(mount) !== source) {
    throw failedPrecondition(`something else is mounted at ${point}: ${mount.source}`);
  }
  if (isReadOnly(mount) !== readOnly) {
    const now = isReadOnly(mount) ? "read-only" : "writable";
    throw alreadyExists(`${source} is mounted at ${point} already, ${now}`);
  }
  return true;
  // lab:17 end
}

/** SINGLE_NODE_SINGLE_WRITER: one target path on the node (CSI spec, NodePublishVolume). */
function requireUnpublished(driver: NfsDriver, source: string): void {
  const other = readMountInfo().find((mount) => driver.sourceOfMount(mount) === source);
  if (other) throw failedPrecondition(`${source} is published at ${other.mountPoint} already`);
}

/**
 * Unmounts all that is stacked at the target path and removes its directory. Nothing there:
 * success. Another file system, or more than STACKED_MAX mounts: INTERNAL.
 */
async function unpublish(driver: NfsDriver, id: string, targetPath: string): Promise<void> {
  // lab:17 begin unpublish
  let target: string;
  try {
    target = await mountPointOf("target_path", targetPath);
  } catch (thrown) {
    if (thrown instanceof RpcError && thrown.status === Status.NOT_FOUND) return;
    throw thrown;
  }
  for (let i = 0; ; i++) {
    const mount = mountAt(target);
    if (!mount) break;
    const source = driver.sourceOfMount(mount);
    if (source === undefined) throw internal(`${target} is no mount of NFS: left alone`);
    if (i === STACKED_MAX) throw internal(`more than ${STACKED_MAX} mounts on ${target}`);
    await unmountOf(driver, parseId(id)?.share.server ?? source, target);
  }
  await removeMountPoint(target);
  // lab:17 end
}

/**
 * Takes one mount away. A server that is away keeps the writes of the node from it: after the time
 * limit the mount leaves the tree, and the kernel writes them when the server returns. A call that
 * was not made, as too many wait for that server, is no sign of this: it fails, and is repeated.
 */
async function unmountOf(driver: NfsDriver, server: string, target: string): Promise<void> {
  // lab:17 begin unmount
  const before = readMountInfo().filter((mount) => mount.mountPoint === target).length;
  const isGone = () => {
    return readMountInfo().filter((mount) => mount.mountPoint === target).length < before;
  };
  for (const detach of [false, true]) {
    try {
      const timeout_ms = UNMOUNT_TIMEOUT_MS;
      await driver.processes.run(
        "unmount",
        { target, detach },
        { server: detach ? `${server}, detaching` : unmountsOf(server), timeout_ms },
      );
      return;
    } catch (thrown) {
      if (isGone()) return;
      const isLate = thrown instanceof RpcError && thrown.status === Status.DEADLINE_EXCEEDED;
      if (detach || !isLate) throw thrown;
    }
  }
  // lab:17 end
}

async function stats(
  driver: NfsDriver,
  id: string,
  path: string,
): Promise<Init<NodeGetVolumeStatsResponse>> {
  if (!isAbsolute(path)) throw notFound(`volume ${id} is not mounted at ${path}`);
  const point = await mountPointOf("volume_path", path);
  const mount = mountAt(point);
  const source = mount && driver.sourceOfMount(mount);
  if (source === undefined) throw notFound(`volume ${id} is not mounted at ${path}`);
  const server = parseId(id)?.share.server ?? source;
  try {
    const timeout_ms = STATS_TIMEOUT_MS;
    const used = await driver.processes.run("stats", { path: point }, { server, timeout_ms });
    const { total_bytes: total, used_bytes, available_bytes: available, inodes, inodesFree } = used;
    return {
      usage: [
        { unit: Unit.BYTES, total, used: used_bytes, available },
        { unit: Unit.INODES, total: inodes, used: inodes - inodesFree, available: inodesFree },
      ],
      volumeCondition: { abnormal: false, message: "the server answers" },
    };
  } catch (thrown) {
    const late: readonly number[] = [Status.DEADLINE_EXCEEDED, Status.UNAVAILABLE];
    if (!(thrown instanceof RpcError) || !late.includes(thrown.status)) throw thrown;
    const message = `the server of ${source} does not answer: ${thrown.message}`;
    return { usage: [], volumeCondition: { abnormal: true, message } };
  }
}
