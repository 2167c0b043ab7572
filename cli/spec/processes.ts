import type { ClusterConfig } from "./config.ts";
import { STORE_MEMBERS_MAX, storeMemberNames } from "./store.ts";

/** A cluster's long-lived processes; with several members of the store each of them is one. */
export type ProcessName = "control" | "node" | `store-${number}`;

/** The processes of a cluster, in the order of their start. */
export function processNames(config: Pick<ClusterConfig, "storeMembers">): ProcessName[] {
  return [...storeMemberNames(config), "control", "node"];
}

/** All that a cluster may have, for one whose configuration cannot be read. */
export const ALL_PROCESS_NAMES: readonly ProcessName[] = processNames({
  storeMembers: STORE_MEMBERS_MAX,
});

/** The processes of a cluster and of nodes that joined it; a node's title has its name. */
export function allProcesses(cluster: ClusterConfig, joined: readonly ClusterConfig[]) {
  return [
    ...processNames(cluster).map((name) => ({ title: `${name}`, name, of: cluster })),
    ...joined.map((of) => ({ title: `node ${of.nodeName}`, name: "node" as const, of })),
  ];
}

/** The command that prints the log of a process; `node` is the name of a node that joined. */
export function logsCommand(cluster: string, process: string, node?: string): string {
  const ofNode = node === undefined ? "" : ` --node ${node}`;
  return `r2k logs ${process}${ofNode}${cluster === "default" ? "" : ` --name ${cluster}`}`;
}
