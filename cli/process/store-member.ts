import { startStore } from "@raft2kube/store/main.ts";
import type { StoreOptions } from "@raft2kube/store/options.ts";
import type { Command } from "commander";
import type { ClusterConfig } from "../spec/config.ts";
import { storeDir, storeMemberNames, storeSocket } from "../spec/store.ts";
import { processCommand } from "./running.ts";

/** The process of one member of the store, where a cluster has several. */
export function command(name: `store-${number}`): Command {
  return processCommand(name, async (config, parts) => {
    await parts.start("store", () => startStore(memberOptions(config, name)));
  });
}

/**
 * The members reach each other by sockets in the cluster's run directory, which only its user can
 * open. Each is ready once a majority is.
 */
export function memberOptions(config: ClusterConfig, name: string): StoreOptions {
  const peer = (member: string) => storeSocket(config, `${member}-peer`);
  const url = (member: string) => `unix://${peer(member)}`;
  const members = storeMemberNames(config).map((member) => [member, [url(member)]]);
  return {
    dataDir: storeDir(config, name),
    name,
    clusterToken: `r2k-${config.name}`,
    listenClient: { path: storeSocket(config, name) },
    peers: {
      listen: { path: peer(name) },
      advertiseUrls: [url(name)],
      initialCluster: Object.fromEntries(members) as Record<string, string[]>,
    },
    keepsDiskReserve: true,
  };
}
