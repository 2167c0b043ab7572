import { createHash } from "node:crypto";
import { rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { type CgroupMode, cgroupsOf } from "@raft2kube/linux/cgroup.ts";
import { unmount } from "@raft2kube/linux/mount.ts";
import { readMountInfo } from "@raft2kube/linux/mountinfo.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { type ClusterPlace, clusterRoots } from "../cluster/config.ts";
import { PROCESS_NAMES } from "../supervisor/supervise.ts";
import { endingByThemselves, killContainers } from "./containers.ts";
import { endProcess, terminate } from "./end-process.ts";
import { removeNodeLink } from "./node-link.ts";
import { processTable } from "./process-table.ts";

/** Time between SIGTERM and SIGKILL. */
const TERMINATE_TIMEOUT_MS = 5_000;
/** Time for all containers together between SIGTERM and SIGKILL. */
const CONTAINERS_TERMINATE_TIMEOUT_MS = 5_000;
/** Passes over the mount table; unmounting uncovers mounts below. */
const UNMOUNT_PASSES_MAX = 8;
/** Length of the digest that distinguishes clusters of one name. */
const MARK_DIGITS = 8;

/**
 * Removes from the host everything of a cluster but its data, whatever state it is in: its two
 * processes and their supervisors, its containers, which may end by themselves, and their monitors,
 * cgroups, mounts, namespaces, links, routes, rules, sockets. What is not there is passed over, so
 * it can be repeated.
 */
export async function removeFromHost(config: ClusterPlace, clock: Clock): Promise<void> {
  for (const name of PROCESS_NAMES.toReversed()) await endProcess(config, name, clock);
  const containers = await endingByThemselves(config, belongingPids(config));
  await terminate(containers, CONTAINERS_TERMINATE_TIMEOUT_MS, clock);
  if (config.cgroups === "none") await killContainers(config);
  const cgroups = cgroupsOf(modeOf(config));
  await cgroups.remove(clusterCgroup(config), { clock });
  await terminate(belongingPids(config), TERMINATE_TIMEOUT_MS, clock);
  // A kubelet that ran beside the node's process may have made them again until now.
  await cgroups.remove(clusterCgroup(config), { clock });
  unmountBelow([config.runDir, config.dataDir]);
  await removeNodeLink(config);
  await rm(config.runDir, { recursive: true, force: true });
  await removeIfEmpty(parentOf(config.runDir));
  // `/r2k` itself goes with the last cluster; another may be making its groups at this moment.
  cgroups.removeEmpty("/r2k");
}

/** Removes a cluster's data too. The cluster must have been removed from the host before. */
export async function purgeData(config: ClusterPlace): Promise<void> {
  unmountBelow([config.dataDir]);
  await rm(config.dataDir, { recursive: true, force: true });
  await removeIfEmpty(parentOf(config.dataDir));
}

/**
 * The group above all of a cluster's pods, in every hierarchy. Groups are the machine's: clusters
 * whose folders were moved by R2K_RUN, as tests do, are kept apart from those of the same name.
 */
export function clusterCgroup({ name, runDir }: Pick<ClusterPlace, "name" | "runDir">): string {
  if (runDir === join(clusterRoots({}).run, name)) return `/r2k/${name}`;
  const mark = createHash("sha256").update(runDir).digest("hex").slice(0, MARK_DIGITS);
  return `/r2k/${name}-${mark}`;
}

/** Monitors and drivers: processes with the cluster's directories in their command line. */
function belongingPids(config: ClusterPlace): number[] {
  const marks = [`${config.runDir}/`, `${config.dataDir}/`];
  return processTable()
    .filter((entry) => entry.pid !== process.pid && entry.pid !== process.ppid)
    .filter((entry) => marks.some((mark) => entry.command.includes(mark)))
    .filter((entry) => /(^|\/)(conmon|crun|runc|node|nsenter|supervise\.sh)\b/.test(entry.command))
    .map((entry) => entry.pid);
}

function unmountBelow(folders: readonly string[]): void {
  for (let pass = 0; pass < UNMOUNT_PASSES_MAX; pass++) {
    const below = readMountInfo()
      .map((info) => info.mountPoint)
      .filter((path) => folders.some((folder) => path === folder || path.startsWith(`${folder}/`)));
    if (below.length === 0) return;
    for (const path of below.reverse()) unmount(path, { detach: true });
  }
}

function modeOf({ cgroups = "machine" }: ClusterPlace): CgroupMode {
  return cgroups;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

async function removeIfEmpty(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOTEMPTY", "ENOENT", "EBUSY", "EEXIST")) throw thrown;
  }
}
