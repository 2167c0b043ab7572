import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RESERVED_PORTS } from "@raft2kube/cni/node/underlay.ts";
import { given } from "@raft2kube/std/given.ts";
import { CommandError } from "../terminal.ts";
import {
  type ClusterConfig,
  type ClusterPlace,
  configPath,
  type GuestConfig,
  readConfigFile,
} from "./config.ts";
import { namesIn } from "./control-planes.ts";
import { nodeCgroup } from "./paths.ts";

/** The nodes of a cluster on one host, the first included; the first has address .2. */
export const NODES_MAX = 100;
const FIRST_ADDRESS = 2;
/** The first node's port on the underlay's bridge. */
export const FIRST_PORT = "first";
/** The node that `r2k start --nfs-demo` adds. */
export const NFS_NODE = "nfs";
const STOPPED = "stopped";
/** Sysctls of all links and of new ones have these names; the kernel makes no such link. */
const KERNEL_NAMES = ["all", "default"];
/** `kube-dns-node` is the first node's EndpointSlice, another's is `kube-dns-NAME`. */
const FIRST_DNS = "node";

/**
 * Checks the name of a node that joins: it is the Node's name, a folder's and that of a link (15
 * bytes at most).
 */
export function checkNodeName(name: string, { nodeName }: Pick<ClusterConfig, "nodeName">): string {
  const taken = [...RESERVED_PORTS, ...KERNEL_NAMES, FIRST_PORT, FIRST_DNS, nodeName];
  const isUsable = /^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$/.test(name) && !/^control-\d$/.test(name);
  if (isUsable && !taken.includes(name)) return name;
  throw new CommandError("BAD_NODE_NAME", `node name "${name}" is not usable`, {
    remedy:
      "1 to 15 lower-case letters, digits and -, a letter first; " +
      `not ${taken.join(", ")}, control-N`,
  });
}

/** Where a node that joined keeps its things: below the cluster's folders, none shared with it. */
export function joiningNodePlace(cluster: ClusterPlace, node: string): ClusterPlace {
  const { name, dataDir, runDir, cgroups, cniBinDir } = cluster;
  return {
    name,
    dataDir: join(nodesDir(dataDir), node),
    runDir: join(nodesDir(runDir), node),
    ...given({ cgroups, cniBinDir }),
    joins: { cgroup: `${nodeCgroup(cluster)}.${node}` },
  };
}

const nodesDir = (folder: string): string => join(folder, "nodes");

/** The names of all nodes that joined and have a folder, in their order. */
export function joiningNodeNames({ dataDir, runDir }: ClusterPlace): string[] {
  const names = [dataDir, runDir].flatMap((folder) => namesIn(nodesDir(folder)));
  return [...new Set(names)].sort();
}

/** The configurations of the nodes that joined; one that cannot be read has none. */
export async function readJoiningNodes(cluster: ClusterConfig): Promise<ClusterConfig[]> {
  const places = joiningNodeNames(cluster).map((name) => joiningNodePlace(cluster, name));
  const known = places.filter(({ dataDir }) => existsSync(configPath(dataDir)));
  return Promise.all(known.map(({ dataDir }) => readConfigFile(configPath(dataDir), cluster.name)));
}

/**
 * The configuration of a node: the cluster's as it is now, with the node's name, folders and
 * address. A new one gets the first address that none of `others` has. `newGuest` is
 * a new node's, or replaces a known one's.
 */
export function planJoiningNode(
  cluster: ClusterConfig,
  name: string,
  others: readonly ClusterConfig[],
  newGuest?: GuestConfig,
): ClusterConfig {
  const { etcdServers: _, etcdFiles: __, ...shared } = cluster;
  const known = others.find((node) => node.nodeName === name);
  const guest = newGuest ?? known?.guest;
  return {
    ...shared,
    ...joiningNodePlace(cluster, name),
    nodeName: name,
    nodeAddress: known?.nodeAddress ?? freeAddress(cluster, others),
    // Its kernel is its own, and so are its cgroups.
    ...(guest === undefined ? {} : { guest, proxyMode: guest.proxyMode, cgroups: "machine" }),
  };
}

function freeAddress(cluster: ClusterConfig, others: readonly ClusterConfig[]): string {
  const taken = [cluster, ...others].map((node) => node.nodeAddress);
  const all = Array.from({ length: NODES_MAX }, (_, index) => {
    return cluster.hostAddress.replace(/\d+$/, String(FIRST_ADDRESS + index));
  });
  const free = all.find((address) => !taken.includes(address));
  if (free !== undefined) return free;
  throw new CommandError("TOO_MANY_NODES", `"${cluster.name}" has ${NODES_MAX} nodes`, {
    remedy: `remove one: r2k node remove NAME --name ${cluster.name}`,
  });
}

/**
 * The nodes beside the first that a start brings up: those that were not stopped, and new ones
 * named `node-2` and so on until the cluster has `count` nodes. With `nfsServer` the node that
 * serves NFS is one of them. Throws CommandError `NODE_EXISTS` if its name is another node's.
 */
export async function wantedNodes(
  cluster: ClusterConfig,
  count: number,
  nfsServer?: GuestConfig,
): Promise<ClusterConfig[]> {
  const known = await readJoiningNodes(cluster);
  const all = known.map((node) => planJoiningNode(cluster, node.nodeName, known));
  if (nfsServer !== undefined) {
    const server = all.find((node) => node.nodeName === NFS_NODE);
    if (server === undefined) all.push(planJoiningNode(cluster, NFS_NODE, all, nfsServer));
    else if (server.guest?.nfsExport_MiB === undefined) throw nfsNameTaken(cluster);
  }
  for (let number = 2; all.length + 1 < count; number++) {
    const name = `node-${number}`;
    if (!all.some((node) => node.nodeName === name)) all.push(planJoiningNode(cluster, name, all));
  }
  return all.filter((node) => {
    return !isStopped(node) || (nfsServer !== undefined && node.nodeName === NFS_NODE);
  });
}

function nfsNameTaken({ name }: Pick<ClusterConfig, "name">): CommandError {
  return new CommandError("NODE_EXISTS", `node ${NFS_NODE} of "${name}" is no NFS server`, {
    remedy: `r2k node remove ${NFS_NODE} --name ${name}; --nfs-demo adds a server of that name`,
  });
}

/** Whether the node was stopped: a start of the cluster leaves it so. */
export const isStopped = ({ dataDir }: ClusterPlace): boolean => existsSync(join(dataDir, STOPPED));

export async function setStopped({ dataDir }: ClusterPlace, stopped: boolean): Promise<void> {
  const path = join(dataDir, STOPPED);
  if (stopped) await writeFile(path, "");
  else await rm(path, { force: true });
}

/** The addresses of the host and of all nodes. */
export function nodeRange({ hostAddress }: Pick<ClusterConfig, "hostAddress">): string {
  return hostAddress.replace(/\d+$/, "0/24");
}

/** The addresses for Services of the type LoadBalancer that this host routes to the cluster. */
export function loadBalancerPool({ slot }: Pick<ClusterConfig, "slot">): string {
  return `${balancedPrefix(slot)}1-${balancedPrefix(slot)}254`;
}

/** Whether an address is one of `loadBalancerPool`. */
export function isOwnBalanced({ slot }: Pick<ClusterConfig, "slot">, address: string): boolean {
  const last = address.startsWith(balancedPrefix(slot))
    ? Number(address.slice(balancedPrefix(slot).length))
    : 0;
  return last >= 1 && last <= 254;
}

const balancedPrefix = (slot: number) => `10.201.${slot}.`;
