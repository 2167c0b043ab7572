import type { ClusterConfig } from "./config.ts";
import { controlPlaneConfig, controlPlaneNames, hasSeveral } from "./control-planes.ts";
import { STORE_MEMBERS_MAX, storeMemberNames } from "./store.ts";

/** A cluster's long-lived processes; with several members of the store each of them is one. */
export type ProcessName = "control" | "host" | "node" | `store-${number}`;

/**
 * The processes of a cluster, in the order of their start, without those of control planes on
 * machines of their own.
 */
export const processNames = (
  config: Pick<ClusterConfig, "storeMembers" | "controlPlanes">,
): ProcessName[] => [...storeMemberNames(config), apiProcess(config), "node"];

/** The process by which this host reaches the API. */
export function apiProcess(config: Pick<ClusterConfig, "controlPlanes">): ProcessName {
  return hasSeveral(config) ? "host" : "control";
}

/** All that a cluster may have, for one whose configuration cannot be read. */
export const ALL_PROCESS_NAMES: readonly ProcessName[] = [
  ...processNames({ storeMembers: STORE_MEMBERS_MAX }),
  "host",
];

/** The processes of a cluster, of its control planes and nodes; a title has the name of those. */
export const allProcesses = (cluster: ClusterConfig, joined: readonly ClusterConfig[]) => [
  ...controlPlaneNames(cluster).map((name) => {
    const of = controlPlaneConfig(cluster, name);
    return { title: `control ${name}`, name: "control" as const, of };
  }),
  ...processNames(cluster).map((name) => ({ title: `${name}`, name, of: cluster })),
  ...joined.map((of) => ({ title: `node ${of.nodeName}`, name: "node" as const, of })),
];

/** The command that prints the log of a process; `node` is the name of a node that joined. */
export function logsCommand(cluster: string, process: string, node?: string): string {
  const ofNode = node === undefined ? "" : ` --node ${node}`;
  return `r2k logs ${process}${ofNode}${cluster === "default" ? "" : ` --name ${cluster}`}`;
}
