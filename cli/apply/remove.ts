import { existsSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { removeHostNetworks } from "@raft2kube/container/engine/networks.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { type CgroupMode, cgroupsOf } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { removeIfEmpty } from "@raft2kube/linux/file/remove-if-empty.ts";
import {
  attachedLoopDevices,
  detachLoopDevice,
  detachLoopDevicesBelow,
  isReadOnlyDevice,
  loopNodes,
} from "@raft2kube/linux/mount/loop-device.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { errno, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { processTable } from "../observe/process-table.ts";
import { clusterFiles } from "../pki/identities.ts";
import { unmergeKubeconfig } from "../pki/merge-kubeconfig.ts";
import type { StepOf } from "../plan/step.ts";
import { type ClusterPlace, configPath } from "../spec/config.ts";
import { handPlace, hasHandAtWork, removedDir } from "../spec/leftovers.ts";
import { joiningNodeNames, joiningNodePlace } from "../spec/nodes.ts";
import { nfsExport, nodeCgroup, nodesLock } from "../spec/paths.ts";
import { ALL_PROCESS_NAMES } from "../spec/processes.ts";
import { endingByThemselves, killContainers } from "./containers.ts";
import type { Context } from "./context.ts";
import { endControlPlanes } from "./control-planes.ts";
import { endProcess, terminate } from "./end-process.ts";
import { removeNodeLink, removeUnderlay } from "./network.ts";

type Folders = Pick<ClusterPlace, "runDir" | "dataDir">;

/** Time between SIGTERM and SIGKILL. */
const TERMINATE_TIMEOUT_MS = 5_000;
/** Time for all containers together between SIGTERM and SIGKILL. */
const CONTAINERS_TERMINATE_TIMEOUT_MS = 5_000;
/** Passes over the mount table; unmounting uncovers mounts below. */
const UNMOUNT_PASSES_MAX = 8;

export async function applyPurge(
  { cluster, keepsHand }: StepOf<"purge">,
  { step, progress }: Context,
): Promise<void> {
  await forgetKubeconfig(cluster, progress);
  await step("removing its data", () => (keepsHand ? purgeBesideHand : purgeData)(cluster));
}

/** An entry that `start --merge-kubeconfig` made leads nowhere from now on. */
async function forgetKubeconfig(
  cluster: ClusterPlace,
  { note }: Context["progress"],
): Promise<void> {
  const own = clusterFiles(cluster).kubeconfig("admin");
  if (!existsSync(own)) return;
  try {
    if (await unmergeKubeconfig(own)) note("Its entry in ~/.kube/config is removed.");
  } catch (thrown) {
    // The file is the user's: what cannot be read or written there keeps no cluster from going.
    note(`Its entry in ~/.kube/config, if any, stays: ${messageOf(thrown)}`);
  }
}

/**
 * Removes from the host everything of a cluster but its data, in any state: the processes of the
 * control plane and of all nodes with their supervisors, containers, which may end by themselves,
 * and their monitors, cgroups, mounts, namespaces, links, routes, rules, sockets. Absent parts are
 * skipped, so it can be repeated. Containers made by hand stay, with their networks.
 */
export function applyRemove(
  { cluster }: StepOf<"remove">,
  { clock, step }: Context,
): Promise<void> {
  return step(`removing "${cluster.name}" from this host`, async () => {
    await removeAllNodes(cluster, clock, { endProcess, removeNodes });
    await endControlPlanes(cluster, clock);
    await removeUnderlay(cluster);
    const hand = handPlace(cluster);
    const inUse = hasHandAtWork(cluster);
    if (inUse) await removeBut(cluster.runDir, [hand.runDir]);
    else await removePath(cluster.runDir);
    await removeIfEmpty(dirname(cluster.runDir));
    // `/r2k` itself goes with the last cluster; another may be making its groups at this moment.
    cgroupsOf(modeOf(cluster)).removeEmpty("/r2k");
    if (!inUse) await removeHostNetworks({ root: hand.dataDir });
  });
}

/**
 * Ends a cluster's processes and removes its nodes by `act`. The nodes that serve NFS go last:
 * containers on the others, the first included, write to them until they have ended and their
 * volumes are unmounted.
 */
export async function removeAllNodes(
  cluster: ClusterPlace,
  clock: Clock,
  act: { endProcess: typeof endProcess; removeNodes: typeof removeNodes },
): Promise<void> {
  const joined = joiningNodeNames(cluster).map((name) => joiningNodePlace(cluster, name));
  const serving = joined.filter((node) => existsSync(nfsExport(node)));
  const others = joined.filter((node) => !serving.includes(node));
  const endNodes = (nodes: ClusterPlace[]) =>
    Promise.all(nodes.map((node) => act.endProcess(node, "node", clock)));
  await endNodes(others);
  for (const name of ALL_PROCESS_NAMES.toReversed()) await act.endProcess(cluster, name, clock);
  await act.removeNodes([...others, cluster], clock, serving);
  if (serving.length === 0) return;
  await endNodes(serving);
  await act.removeNodes(serving, clock);
}

/** Removes from the host everything of a node that joined but its data. */
export async function removeNodeFromHost(node: ClusterPlace, clock: Clock): Promise<void> {
  await endProcess(node, "node", clock);
  await removeNodes([node], clock);
  await removePath(node.runDir);
}

/**
 * Removes containers, cgroups, mounts and namespaces of nodes whose processes have ended. `kept`
 * still run, below the first node's folders.
 */
async function removeNodes(
  nodes: readonly ClusterPlace[],
  clock: Clock,
  nodesKept: readonly ClusterPlace[] = [],
): Promise<void> {
  const inUse = nodes.filter(hasHandAtWork);
  const kept = [...nodesKept, ...inUse.map(handPlace)];
  const ofKept = kept.flatMap(foldersOf);
  const belonging = () => belongingPids(nodes.flatMap(foldersOf), ofKept);
  const monitors = belonging();
  const ending = await Promise.all(nodes.map((node) => endingByThemselves(node, monitors)));
  await terminate(ending.flat(), CONTAINERS_TERMINATE_TIMEOUT_MS, clock);
  const removeCgroups = async () => {
    for (const node of nodes) await cgroupsOf(modeOf(node)).remove(nodeCgroup(node), { clock });
  };
  for (const node of nodes) if (node.cgroups === "none") await killContainers(node);
  await removeCgroups();
  await terminate(belonging(), TERMINATE_TIMEOUT_MS, clock);
  // A kubelet that ran beside the node's process may have made them again until now.
  await removeCgroups();
  removeMounts(nodes, kept);
  for (const node of nodes) await removeNodeLink(node);
}

/** Unmounts all below the folders of nodes, and detaches their loop devices. */
export function removeMounts(nodes: readonly ClusterPlace[], kept: readonly Folders[] = []): void {
  const folders = nodes.flatMap(foldersOf);
  const published = publishedReadOnly(folders);
  unmountBelow(folders, kept.flatMap(foldersOf));
  for (const node of nodes) detachLoopDevicesBelow(node.dataDir);
  for (const name of published) detachLoopDevice(name);
}

/** Where the kubelet has the device of a block volume. */
const PUBLISHED = /\/volumes\/kubernetes\.io~csi\/[^/]+\/device$/;

/**
 * The read-only loop devices of block volumes. A pod may have given one another file, by whose name
 * it is not found (LOOP_CHANGE_FD, which the kernel allows for these).
 */
function publishedReadOnly(folders: readonly string[]): string[] {
  const attached = new Set(attachedLoopDevices().map(({ name }) => name));
  const shown = [...loopNodes()]
    .filter(([{ mountPoint }]) => isIn(mountPoint, folders) && PUBLISHED.test(mountPoint))
    .map(([, name]) => name);
  return [...new Set(shown)].filter((name) => attached.has(name) && isReadOnlyDevice(name));
}

/**
 * Removes the data of a cluster or a node. It must have been removed from the host before. The
 * configuration goes after the rest, so that a removal which is ended can be repeated. Images and
 * pods decide how deep the folders are: no path of the whole depth is used.
 */
export async function purgeData(config: ClusterPlace): Promise<void> {
  const { dataDir } = config;
  const removed = removedDir(config);
  await removePath(removed);
  unmountBelow([dataDir]);
  await removeBut(dataDir, [configPath(dataDir), nodesLock(config)]);
  await rm(configPath(dataDir), { force: true });
  // Renamed with its folder: a command that waits for the lock would make the file again.
  if (existsSync(nodesLock(config))) await rename(dataDir, removed);
  for (const path of [removed, dataDir]) await removePath(path);
  await removeIfEmpty(dirname(dataDir));
}

/**
 * Removes the data of a cluster from which images and what was made by hand stay, and the lock,
 * for which another start may wait.
 */
async function purgeBesideHand(cluster: ClusterPlace): Promise<void> {
  const { dataDir } = cluster;
  const [runtime, config] = [join(dataDir, "runtime"), configPath(dataDir)];
  await removeBut(runtime, [join(runtime, "images")]);
  await removeBut(dataDir, [runtime, handPlace(cluster).dataDir, config, nodesLock(cluster)]);
  await rm(config, { force: true });
}

/** Removes what is in a folder, if there is one, but for the paths that are kept. */
async function removeBut(folder: string, kept: readonly string[]): Promise<void> {
  const names = await tolerate(readdir(folder), errno("ENOENT"));
  const paths = (names ?? []).map((name) => join(folder, name));
  for (const path of paths.filter((path) => !kept.includes(path))) await removePath(path);
}

const BELONGING = /(^|\/)(conmon|crun|runc|node|nsenter|linux\.uml|supervise\.sh)\b/;

/**
 * Monitors, drivers and guests: processes with one of the folders in their command line, and none
 * of `kept`.
 */
function belongingPids(folders: readonly string[], kept: readonly string[]): number[] {
  const has = (command: string, some: readonly string[]) =>
    some.some((folder) => command.includes(`${folder}/`));
  return processTable()
    .filter((entry) => entry.pid !== process.pid && entry.pid !== process.ppid)
    .filter(({ command }) => has(command, folders) && !has(command, kept))
    .filter((entry) => BELONGING.test(entry.command))
    .map((entry) => entry.pid);
}

/** Unmounts all at and below folders, but for what is kept. */
export function unmountBelow(folders: readonly string[], kept: readonly string[] = []): void {
  for (let pass = 0; pass < UNMOUNT_PASSES_MAX; pass++) {
    const below = readMountInfo()
      .map((info) => info.mountPoint)
      .filter((path) => isIn(path, folders) && !isIn(path, kept));
    if (below.length === 0) return;
    for (const path of below.reverse()) unmount(path, { detach: true });
  }
}

function isIn(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path === folder || path.startsWith(`${folder}/`));
}

const foldersOf = ({ runDir, dataDir }: Folders): string[] => [runDir, dataDir];

const modeOf = ({ cgroups = "machine" }: ClusterPlace): CgroupMode => cgroups;
