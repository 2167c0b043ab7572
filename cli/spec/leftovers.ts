import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { lockHolder } from "@raft2kube/linux/file/flock.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { type ClusterPlace, type ClusterRoots, clusterPlace, configPath } from "./config.ts";
import { nodesLock } from "./paths.ts";

type Folders = Pick<ClusterPlace, "dataDir" | "runDir">;

/**
 * Parts of a data folder that stand there without a cluster's configuration, and that no other
 * program's folder has: by these it is ours to remove.
 */
const LOOSE_DATA = [
  ...["hand/containers", "hand/networks", "hand/volumes"],
  ...["nodes.lock", "runtime/images/layers"],
];
/** The same of a folder of sockets and mounts. */
const LOOSE_RUN = ["hand/exits", "netns/node", "netns/underlay", "runtime/exits", "sock/cri.sock"];

/** The folders of what `r2k container` makes: its records, and its mounts. */
export function handPlace({ dataDir, runDir }: Folders): Folders {
  return { dataDir: join(dataDir, "hand"), runDir: join(runDir, "hand") };
}

/** Returns the names of what `r2k container` has made in a cluster and has not removed. */
export function madeByHand(place: Folders) {
  const list = (kind: string) =>
    listed(join(handPlace(place).dataDir, kind)).filter((entry) => !entry.startsWith("."));
  return { containers: list("containers"), networks: list("networks"), volumes: list("volumes") };
}

/** Whether containers made by hand, or builds that run, have mounts and groups of a cluster's. */
export function hasHandAtWork(place: Folders): boolean {
  const builds = join(place.dataDir, "runtime/images/builds");
  const isRunning = (name: string) => lockHolder(join(builds, name)) !== undefined;
  return madeByHand(place).containers.length > 0 || listed(builds).some(isRunning);
}

/** The path of data whose removal was ended late. */
export function removedDir({ dataDir }: Pick<ClusterPlace, "dataDir">): string {
  return join(dataDir, "..", `.${dataDir.slice(dataDir.lastIndexOf("/") + 1)}.removed`);
}

/**
 * Whether folders of this name are ours though they have no configuration: containers made by hand,
 * and removals that were ended, leave such.
 */
export function isLeftover(place: Folders): boolean {
  const { dataDir, runDir } = place;
  if (existsSync(configPath(dataDir))) return false;
  const has = (folder: string, parts: string[]) =>
    parts.some((part) => existsSync(join(folder, part)));
  return has(dataDir, LOOSE_DATA) || has(runDir, LOOSE_RUN) || existsSync(removedDir(place));
}

/**
 * The names below these roots whose folders have no cluster, but something that `down` removes. A
 * cluster that a command is just making or removing is none of them.
 */
export function findLeftovers(roots: ClusterRoots): string[] {
  const names = [...listed(roots.data), ...listed(roots.run)];
  const bare = new Set(names.map((name) => /^\.(.+)\.removed$/.exec(name)?.[1] ?? name));
  return [...bare]
    .filter((name) => {
      const place = clusterPlace(name, roots);
      return isLeftover(place) && lockHolder(nodesLock(place)) === undefined;
    })
    .sort();
}

const listed = (folder: string): string[] =>
  tolerateSync(() => readdirSync(folder), errno("ENOENT", "ENOTDIR", "EACCES")) ?? [];
