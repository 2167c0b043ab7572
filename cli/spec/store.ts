import { join } from "node:path";
import type { ClusterConfig } from "./config.ts";
import { controlPlaneNames, controlPlanePlace } from "./control-planes.ts";

/** The most members that a cluster's store can have on this machine. */
export const STORE_MEMBERS_MAX = 5;

/** The data directory of the store, or of one of its members. */
export function storeDir({ dataDir }: Pick<ClusterConfig, "dataDir">, member = ""): string {
  return join(dataDir, "store", member);
}

/** The names of the store's members that are processes of their own: `store-1`, ... */
export function storeMemberNames({ storeMembers = 0 }: Pick<ClusterConfig, "storeMembers">) {
  return Array.from({ length: storeMembers }, (_, i) => `store-${i + 1}` as const);
}

/** Where a store, or one of its members, serves etcd's protocol. */
export function storeSocket({ runDir }: Pick<ClusterConfig, "runDir">, name = "store"): string {
  return join(runDir, `${name}.sock`);
}

/** The store's endpoints, our own or an etcd's. */
export function storeEndpoints(config: ClusterConfig): string[] {
  if (config.etcdServers !== undefined) return config.etcdServers.split(",");
  if (config.controlPlanes !== undefined) {
    return controlPlaneNames(config).map((name) => {
      return `unix://${storeSocket(controlPlanePlace(config, name))}`;
    });
  }
  const members = storeMemberNames(config);
  const names = members.length > 0 ? members : ["store"];
  return names.map((name) => `unix://${storeSocket(config, name)}`);
}

/** The folders of the store's members, by the names of their control planes. */
export function memberFolders(cluster: ClusterConfig): Map<string, string> {
  return new Map(
    controlPlaneNames(cluster).map((name) => {
      return [name, join(storeDir(controlPlanePlace(cluster, name)), "member")];
    }),
  );
}
