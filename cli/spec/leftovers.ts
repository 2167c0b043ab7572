import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { type ClusterPlace, type ClusterRoots, clusterPlace, configPath } from "./config.ts";

type Folders = Pick<ClusterPlace, "dataDir" | "runDir">;

/** Parts of a data folder that stand there without a cluster's configuration. */
const LOOSE_DATA = ["hand", "runtime", "nodes.lock"];
/** Parts of a folder of sockets and mounts by which it is recognized as a cluster's. */
const LOOSE_RUN = ["hand", "netns", "sock", "runtime"];

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

/** Where the data of a removal is that was ended late. */
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

/** The names below these roots whose folders have no cluster, but something that `down` removes. */
export function findLeftovers(roots: ClusterRoots): string[] {
  const names = [...listed(roots.data), ...listed(roots.run)];
  const bare = new Set(names.map((name) => /^\.(.+)\.removed$/.exec(name)?.[1] ?? name));
  return [...bare].filter((name) => isLeftover(clusterPlace(name, roots))).sort();
}

const listed = (folder: string): string[] =>
  tolerateSync(() => readdirSync(folder), errno("ENOENT", "ENOTDIR", "EACCES")) ?? [];
