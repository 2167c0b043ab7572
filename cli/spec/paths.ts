import { createHash } from "node:crypto";
import { join } from "node:path";
import { type ClusterPlace, clusterRoots } from "./config.ts";

/** Length of the digest that distinguishes clusters of one name. */
const MARK_DIGITS = 8;

/** Where the parts of a node keep their files. `runDir` is removed when the node is taken down. */
export interface NodePaths {
  readonly sockets: string;
  readonly criSocket: string;
  readonly csiSocket: string;
  /** Socket of the NFS driver, in a guest. */
  readonly nfsSocket: string;
  /** Commands that concern a running node: loading images. */
  readonly controlSocket: string;
  readonly runtimeState: string;
  readonly runtimeRoot: string;
  readonly kubeletRoot: string;
  readonly podLogs: string;
  /** Links to them, by the names that collectors of logs expect. */
  readonly containerLogs: string;
  /** Files of static pods, for people to put there. */
  readonly staticPods: string;
  readonly csiData: string;
  readonly cniConfDir: string;
  readonly cniBinDir: string;
  /** Addresses given to pods. */
  readonly cniAddresses: string;
}

export function nodePaths(config: ClusterPlace): NodePaths {
  const { dataDir, runDir } = config;
  const sockets = join(runDir, "sock");
  return {
    sockets,
    criSocket: join(sockets, "cri.sock"),
    csiSocket: join(sockets, "csi-hostpath.sock"),
    nfsSocket: join(sockets, "csi-nfs.sock"),
    controlSocket: join(sockets, "node.sock"),
    runtimeState: join(runDir, "runtime"),
    runtimeRoot: join(dataDir, "runtime"),
    kubeletRoot: join(dataDir, "kubelet"),
    podLogs: join(logsDir(config), "pods"),
    containerLogs: join(logsDir(config), "containers"),
    staticPods: join(dataDir, "manifests"),
    csiData: join(dataDir, "csi"),
    cniConfDir: join(runDir, "cni", "net.d"),
    cniBinDir: config.cniBinDir ?? ownPluginsDir(config),
    cniAddresses: join(runDir, "cni", "networks"),
  };
}

/** Where our own CNI plugins are put for this cluster. */
export const ownPluginsDir = (config: ClusterPlace): string => join(config.runDir, "cni", "bin");

/** The folder on the host with the files of a node that is a guest, while it runs. */
export const guestDir = ({ runDir }: ClusterPlace): string => join(runDir, "guest");

/** The image of the disk of a node that is a guest, which other nodes have none of. */
export const guestDisk = ({ dataDir }: ClusterPlace): string => join(dataDir, "disk.img");

/** The image of the file system that a guest exports by NFS. */
export const nfsExport = ({ dataDir }: ClusterPlace): string => join(dataDir, "export.img");

/** The lock of commands that start the cluster or change its nodes. */
export function nodesLock({ dataDir }: Pick<ClusterPlace, "dataDir">): string {
  return join(dataDir, "nodes.lock");
}

/** Logs of the processes, and below it those of pods. */
export const logsDir = ({ dataDir }: ClusterPlace): string => join(dataDir, "logs");

/** The log of one of the cluster's processes, `control` or `node`. */
export function processLog(config: ClusterPlace, name: string): string {
  return join(logsDir(config), `${name}.log`);
}

/**
 * The group above all pods of a node, in every hierarchy; the cluster's name is the first node's.
 * Groups are the machine's: clusters whose folders were moved by R2K_RUN, as tests do, are kept
 * apart from those of the same name.
 */
export function nodeCgroup({
  name,
  runDir,
  joins,
}: Pick<ClusterPlace, "name" | "runDir" | "joins">): string {
  if (joins !== undefined) return joins.cgroup;
  if (runDir === join(clusterRoots({}).run, name)) return `/r2k/${name}`;
  const mark = createHash("sha256").update(runDir).digest("hex").slice(0, MARK_DIGITS);
  return `/r2k/${name}-${mark}`;
}
