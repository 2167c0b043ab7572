import { readdirSync } from "node:fs";
import { join } from "node:path";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { CommandError } from "../terminal.ts";
import type { ClusterConfig, ClusterPlace } from "./config.ts";
import { nodeCgroup } from "./paths.ts";

/** The most control planes of a cluster: as many as members of its store. */
export const CONTROL_PLANES_MAX = 5;
/** Addresses of control planes are above those of nodes. */
const FIRST_ADDRESS = 201;

type Counted = Pick<ClusterConfig, "controlPlanes">;
type Listed = Pick<ClusterConfig, "controlPlanes" | "removedControlPlanes">;

/** Whether the cluster has control planes on machines of their own, `control-1` and so on. */
export const hasSeveral = ({ controlPlanes }: Counted): boolean => controlPlanes !== undefined;

/** The names of all places of control planes, those that were removed included. */
function placesOf({ controlPlanes = 0 }: Counted): string[] {
  return Array.from({ length: controlPlanes }, (_, i) => `control-${i + 1}`);
}

/** The names of the control planes; none where the host's own process is the only one. */
export function controlPlaneNames(cluster: Listed): string[] {
  const { removedControlPlanes = [] } = cluster;
  return placesOf(cluster).filter((name) => !removedControlPlanes.includes(name));
}

/** Throws CommandError `NO_CONTROL_PLANE` for a name that is no place of the cluster's. */
export function checkControlPlane(name: string, cluster: ClusterConfig): string {
  const places = placesOf(cluster);
  if (places.includes(name)) return name;
  const has = places.length === 0 ? "one, the process control" : places.join(", ");
  const what = `"${cluster.name}" has no control plane ${name}: ${has}`;
  throw new CommandError("NO_CONTROL_PLANE", what, {
    remedy: "name one of those; a new cluster has several: r2k start --control-planes 3",
  });
}

/** The folders of a control plane, below the cluster's and shared with no other. */
export function controlPlanePlace(cluster: ClusterPlace, name: string): ClusterPlace {
  const { dataDir, runDir, cgroups } = cluster;
  return {
    name: cluster.name,
    dataDir: join(folderIn(dataDir), name),
    runDir: join(folderIn(runDir), name),
    ...given({ cgroups }),
    joins: { cgroup: `${nodeCgroup(cluster)}.${name}` },
  };
}

const folderIn = (folder: string) => join(folder, "control-planes");

/** The names of all control planes that have a folder. */
export function foundControlPlanes({ dataDir, runDir }: ClusterPlace): string[] {
  return [...new Set([dataDir, runDir].flatMap((folder) => namesIn(folderIn(folder))))].sort();
}

/** The address of a control plane on the underlay. */
function addressOf({ hostAddress }: Pick<ClusterConfig, "hostAddress">, name: string): string {
  return hostAddress.replace(/\d+$/, String(FIRST_ADDRESS - 1 + Number(name.split("-")[1])));
}

/** The configuration of a control plane: the cluster's, with its own name, folders and address. */
export const controlPlaneConfig = (
  cluster: ClusterConfig,
  name: string,
  membership: "founds" | "joins" = "founds",
): ClusterConfig => ({
  ...cluster,
  ...controlPlanePlace(cluster, name),
  nodeName: name,
  nodeAddress: addressOf(cluster, name),
  controlPlane: membership,
});

/** The addresses of the API servers, by the names of their control planes. */
export function apiServers(cluster: ClusterConfig): Map<string, string> {
  return new Map(placesOf(cluster).map((name) => [name, addressOf(cluster, name)]));
}

/** etcd's port of peers. */
export const PEER_PORT = 2380;

/** The URL at which other members reach the member of a control plane. */
export function peerUrlOf(config: ClusterConfig, name: string): string {
  return `https://${apiServers(config).get(name)}:${PEER_PORT}`;
}

/** The names in a folder; none where it is not there. */
export function namesIn(folder: string): string[] {
  return tolerateSync(() => readdirSync(folder), errno("ENOENT")) ?? [];
}
