import { readFile } from "node:fs/promises";
import { startStore } from "@raft2kube/store/main.ts";
import type { StoreOptions } from "@raft2kube/store/options.ts";
import type { Command } from "commander";
import type { ClusterFiles } from "../pki/identities.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { controlPlaneNames, PEER_PORT, peerUrlOf } from "../spec/control-planes.ts";
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
export function memberOptions(config: ClusterConfig, name: string) {
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
  } satisfies StoreOptions;
}

/** How the members of control planes know each other. */
export function controlPlaneMembers(config: ClusterConfig, name: string) {
  const members = controlPlaneNames(config).map((one) => [one, [peerUrlOf(config, one)]]);
  return {
    clusterToken: `r2k-${config.name}`,
    advertiseUrls: [peerUrlOf(config, name)],
    initialCluster: Object.fromEntries(members) as Record<string, string[]>,
  };
}

/**
 * The member of a control plane on a machine of its own. The members reach each other over TLS by
 * certificates of a CA that has no others.
 */
export async function controlPlaneMember(
  config: ClusterConfig,
  files: ClusterFiles,
): Promise<StoreOptions> {
  const { nodeName: name, controlPlane } = config;
  const pair = files.pair("etcd/peer");
  const [cert, key] = [await readFile(pair.cert, "utf8"), await readFile(pair.key, "utf8")];
  const ca = await readFile(files.pair("etcd/ca").cert, "utf8");
  const { clusterToken, ...known } = controlPlaneMembers(config, name);
  return {
    dataDir: storeDir(config),
    name,
    clusterToken,
    listenClient: { path: storeSocket(config) },
    peers: {
      listen: { host: config.nodeAddress, port: PEER_PORT, tls: { cert, key, clientCa: ca } },
      ...known,
      initialState: controlPlane === "joins" ? "existing" : "new",
      tls: { cert, key, ca },
    },
    keepsDiskReserve: true,
  };
}
