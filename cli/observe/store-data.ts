import { existsSync, readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { clusterFiles } from "../pki/identities.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { hasSeveral } from "../spec/control-planes.ts";
import { nodePaths } from "../spec/paths.ts";
import { memberFolders, storeDir, storeMemberNames } from "../spec/store.ts";
import { CommandError } from "../terminal.ts";

/**
 * Checks that the store has data unless the cluster is new. Throws CommandError `STORE_GONE` if a
 * node has run and the store is empty, unless `isAccepted`, `MEMBER_GONE` if one of its members is,
 * and `STORE_THERE` if it has data in spite of `isAccepted`.
 */
export function checkStoreData(config: ClusterConfig, isAccepted: boolean): void {
  if (config.etcdServers !== undefined) return;
  const folders = foldersOf(config);
  const data = folders.join(", ");
  const hasData = folders.some(hasStoreData);
  if (hasData && isAccepted) {
    throw new CommandError("STORE_THERE", `--new-store: ${data} has data`, {
      remedy: "start without the flag to use it; the flag is for a lost store",
    });
  }
  const state = stateOf(config);
  if (hasData && state !== undefined && !hasMajority(config, folders)) checkEachMember(folders);
  if (hasData || isAccepted || state === undefined) return;
  const { path, stats } = state;
  const why =
    `${data} has no data, but this cluster has run: ${path} is of ${stats.mtime.toISOString()}, ` +
    `${clusterFiles(config).pkiDir} has its certificates; all its objects are lost`;
  throw new CommandError("STORE_GONE", why, {
    remedy:
      `restore ${storeDir(config)} from a backup; or start with an empty store, which ` +
      `removes nothing else: r2k start --new-store --name ${config.name}`,
  });
}

function foldersOf(config: ClusterConfig): string[] {
  if (hasSeveral(config)) return [...memberFolders(config).values()];
  const members = storeMemberNames(config);
  return (members.length > 0 ? members : [""]).map((name) => {
    return join(storeDir(config, name), "member");
  });
}

/** Control planes serve without those that have lost their data, and are added again one by one. */
function hasMajority(config: ClusterConfig, folders: readonly string[]): boolean {
  return hasSeveral(config) && 2 * folders.filter(hasStoreData).length > folders.length;
}

/**
 * The control planes of a cluster that has run whose data is lost: they must not start, since they
 * would vote again, but be removed and added.
 */
export function lostControlPlanes(cluster: ClusterConfig): string[] {
  if (stateOf(cluster) === undefined) return [];
  const folders = [...memberFolders(cluster)];
  return folders.flatMap(([name, folder]) => (hasStoreData(folder) ? [] : [name]));
}

/**
 * Throws CommandError `MEMBER_GONE` if one of several members has no data. All start together, so
 * that it would meet no other that refuses it: it would start a log again under an id that has
 * voted, and entries that a majority has acknowledged could be lost.
 */
function checkEachMember(folders: readonly string[]): void {
  const lost = folders.filter((folder) => !hasStoreData(folder));
  if (lost.length === 0) return;
  const what = `${lost.join(", ")}: no data, but the other members of the store have theirs`;
  throw new CommandError("MEMBER_GONE", what, {
    remedy: "put this member's own folder back; another member's copy does not replace it",
  });
}

function hasStoreData(folder: string): boolean {
  return namesIn(join(folder, "wal")).length > 0 || namesIn(folder).includes("db");
}

/** Returns the directory of a node that has run; nodes start only after the store. */
function stateOf(config: ClusterConfig): { path: string; stats: Stats } | undefined {
  const path = nodePaths(config).kubeletRoot;
  return existsSync(path) ? { path, stats: statSync(path) } : undefined;
}

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);
