import { type Stats, existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { CommandError } from "../terminal.ts";
import type { ClusterConfig } from "./config.ts";
import { clusterFiles } from "./identities.ts";
import { nodePaths } from "./paths.ts";

export function storeDir({ dataDir }: Pick<ClusterConfig, "dataDir">): string {
  return join(dataDir, "store");
}

/**
 * A store without data begins an empty cluster: right at the first start, and a loss that must not
 * pass unnoticed at any later one. Throws CommandError `STORE_GONE` when a node has run and the
 * store has nothing, unless `isAccepted`; and `STORE_THERE` when that was said of one with data.
 */
export function checkStoreData(config: ClusterConfig, isAccepted: boolean): void {
  if (config.etcdServers !== undefined) return;
  const data = join(storeDir(config), "member");
  const hasData = namesIn(join(data, "wal")).length > 0 || namesIn(data).includes("db");
  if (hasData && isAccepted) {
    throw new CommandError("STORE_THERE", `--new-store: ${data} has data`, {
      remedy: "start without the flag to go on from it; it is for a store that was lost",
    });
  }
  const state = stateOf(config);
  if (hasData || isAccepted || state === undefined) return;
  const { path, stats } = state;
  throw new CommandError(
    "STORE_GONE",
    `${data} has no data, but this cluster has run: ${path} is of ${stats.mtime.toISOString()}, ` +
      `${clusterFiles(config).pkiDir} has its certificates; all its objects are gone`,
    {
      remedy:
        `put ${storeDir(config)} back from a backup; or begin with an empty store, which ` +
        `removes nothing else: r2k start --new-store --name ${config.name}`,
    },
  );
}

/** What a node leaves behind, which starts only once there is a store. */
function stateOf(config: ClusterConfig): { path: string; stats: Stats } | undefined {
  const path = nodePaths(config).kubeletRoot;
  return existsSync(path) ? { path, stats: statSync(path) } : undefined;
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
