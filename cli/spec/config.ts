import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import type { CgroupMode } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { MODE_NAMES, type ModeName } from "@raft2kube/proxy/mode-names.ts";
import { errno, isErrno, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { CommandError } from "../terminal.ts";
import type { Registries } from "./registries.ts";

/** Back ends of the overlay between nodes (`overlay`). */
export const OVERLAY_BACKENDS = ["vxlan", "host-gw", "udp"] as const;
export type OverlayBackend = (typeof OVERLAY_BACKENDS)[number];

/** Everything that a cluster's processes must agree on; written once, kept in its data folder. */
export interface ClusterConfig {
  readonly formatVersion: 1;
  readonly name: string;
  /** Which of the side-by-side address ranges this cluster has. */
  readonly slot: number;
  readonly nodeName: string;
  readonly dataDir: string;
  readonly runDir: string;
  readonly apiPort: number;
  /** The host's end of the node's link; the apiserver listens here and on loopback. */
  readonly hostAddress: string;
  readonly nodeAddress: string;
  readonly podCidr: string;
  /** Bits of the prefix of one node's part of `podCidr`. Default 24. */
  readonly nodeCidrMaskSize?: number;
  readonly serviceCidr: string;
  /** `kubernetes.default`: the first address of `serviceCidr`. */
  readonly apiServiceAddress: string;
  readonly dnsAddress: string;
  readonly clusterDomain: string;
  /** Cgroups, decided by each start from what this machine permits; omitted: the machine's. */
  readonly cgroups?: CgroupMode;
  /** Comma-separated etcd endpoints to use in the embedded store's place. */
  readonly etcdServers?: string;
  /** Absolute paths of the PEM files of the connections to them. */
  readonly etcdFiles?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** The kind of rules that serve Services. Default nftables. */
  readonly proxyMode?: ModeName;
  /** Whether pods may choose our own OCI runtime, which is for learning. Default no. */
  readonly byHand?: boolean;
  /** Members of the store, each a process of its own; absent: one, in the control process. */
  readonly storeMembers?: number;
  /**
   * Control planes on machines of their own, each with a member of the store (`control-planes.ts`);
   * absent: one, the host's process `control`.
   */
  readonly controlPlanes?: number;
  /** Names of control planes that were removed, and not added again. */
  readonly removedControlPlanes?: readonly string[];
  /** Configuration of one of them; it joins a cluster that was there before it, or founds one. */
  readonly controlPlane?: "founds" | "joins";
  /** A folder of CNI plugins to use in place of our own. */
  readonly cniBinDir?: string;
  /** How nodes reach each other's pods; left out in clusters of before: host-gw. */
  readonly overlay?: OverlayBackend;
  /** How long a node may be silent until it is NotReady. Default 50 s. */
  readonly nodeMonitorGracePeriod_ms?: number;
  /** Absolute path of the audit policy. Default: there is no audit log. */
  readonly auditPolicyFile?: string;
  /** Versions and resources that are served or not, in `--runtime-config`'s words. Default: all. */
  readonly runtimeConfig?: string;
  /** Where registries really are, by the domain in image names (`--registry`). */
  readonly registries?: Registries;
  /** Every request is traced: to a receiver of OTLP, or kept in memory. Default: none is. */
  readonly traces?: { readonly endpoint?: string } | false;
  /**
   * Configuration of a node beside the first, which joins over the network (`spec/nodes.ts`).
   */
  readonly joins?: {
    /** The group above all of its pods. */
    readonly cgroup: string;
  };
  /** Configuration of a node with a kernel of its own. */
  readonly guest?: GuestConfig;
  /** Whether a node of the cluster serves NFS (`r2k start --nfs-demo`). Decided by each start. */
  readonly nfsDemo?: boolean;
}

/** A node that is a User-Mode Linux guest. */
export interface GuestConfig {
  /** All of its memory: kernel, node process, pods and caches. */
  readonly memory_MiB: number;
  /** The size that its disk may grow to; it holds the node's data. */
  readonly disk_GiB: number;
  /** The kind of rules that serve Services; its kernel has no nftables for IP. */
  readonly proxyMode: ModeName;
  /** The size of the file system that its kernel's NFS server exports; absent: it serves none. */
  readonly nfsExport_MiB?: number;
}

/** The names of a cluster's objects on this host; the cluster's name determines them. */
export type ClusterPlace = Pick<
  ClusterConfig,
  "name" | "dataDir" | "runDir" | "cgroups" | "cniBinDir" | "joins"
>;

const STRINGS = [
  "name",
  "nodeName",
  "dataDir",
  "runDir",
  "hostAddress",
  "nodeAddress",
  "podCidr",
  "serviceCidr",
  "apiServiceAddress",
  "dnsAddress",
  "clusterDomain",
] as const satisfies readonly (keyof ClusterConfig)[];
const NUMBERS = ["slot", "apiPort"] as const satisfies readonly (keyof ClusterConfig)[];
type StringField = (typeof STRINGS)[number];
type NumberField = (typeof NUMBERS)[number];
/** Fields of what a cluster may have chosen, which a release that does not know one would undo. */
const CHOICES = {
  nodeCidrMaskSize: true,
  cgroups: true,
  etcdServers: true,
  etcdFiles: true,
  proxyMode: true,
  byHand: true,
  storeMembers: true,
  controlPlanes: true,
  removedControlPlanes: true,
  controlPlane: true,
  cniBinDir: true,
  overlay: true,
  nodeMonitorGracePeriod_ms: true,
  auditPolicyFile: true,
  runtimeConfig: true,
  registries: true,
  traces: true,
  joins: true,
  guest: true,
  nfsDemo: true,
} as const satisfies Record<
  Exclude<keyof ClusterConfig, "formatVersion" | StringField | NumberField>,
  true
>;
const FIELDS: ReadonlySet<string> = new Set([
  "formatVersion",
  ...STRINGS,
  ...NUMBERS,
  ...Object.keys(CHOICES),
]);
/** Directories that a started cluster has in its data directory. */
const STATE_FOLDERS = ["pki", "store", "kubelet"];

/** Clusters that can run side by side on one host. */
export const CLUSTERS_MAX = 16;

const API_PORT_FIRST = 6443;
const FORMAT_VERSION = 1;
/** A node's name is a label's value too. */
const NAME_LENGTH_MAX = 63;

export interface ClusterRoots {
  /** Holds one data folder per cluster. */
  readonly data: string;
  /** Holds one folder of sockets, pids and namespaces per cluster. */
  readonly run: string;
}

/** Where clusters live: R2K_DATA and R2K_RUN move the roots, as tests and labs do. */
export const clusterRoots = (environment: NodeJS.ProcessEnv): ClusterRoots => ({
  data: environment["R2K_DATA"] ?? "/var/lib/r2k",
  run: environment["R2K_RUN"] ?? "/run/r2k",
});

/**
 * A cluster's name becomes part of paths: with 16 characters the longest one of a socket, of a CSI
 * driver's registration on a node whose name has 15, still has the kernel's 107 bytes.
 */
export function checkClusterName(name: string): string {
  if (/^[a-z]([a-z0-9-]{0,14}[a-z0-9])?$/.test(name)) return name;
  throw new CommandError("BAD_NAME", `cluster name "${name}" is not usable`, {
    remedy: "1 to 16 lower-case letters, digits and -, a letter first and no - last",
  });
}

const hostAddress = (slot: number): string => `10.200.${slot}.1`;

/** The first node's name, cut to a label's length. */
export function firstNodeName(name: string, host: string): string {
  return `${name}-${host.toLowerCase()}`.slice(0, NAME_LENGTH_MAX).replace(/[-.]+$/, "");
}

/** The addresses of this host's interfaces that are up. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .map((one) => one.address);
}

/** The settings of a new cluster that its start can choose. */
export type NewClusterChoices = Partial<
  Pick<
    ClusterConfig,
    | "etcdServers"
    | "etcdFiles"
    | "storeMembers"
    | "controlPlanes"
    | "apiPort"
    | "cniBinDir"
    | "nodeCidrMaskSize"
    | "nodeMonitorGracePeriod_ms"
    | "overlay"
    | "auditPolicyFile"
    | "traces"
    | "runtimeConfig"
    | "registries"
  >
>;

/**
 * Returns a new cluster's configuration with the first slot whose addresses no other cluster of
 * this machine uses: neither one below these roots nor a running one (`addresses`).
 */
export async function planCluster(
  name: string,
  roots: ClusterRoots,
  { storeMembers, controlPlanes, ...choices }: NewClusterChoices = {},
  addresses: readonly string[] = ownAddresses(),
): Promise<ClusterConfig> {
  const others = await listClusters(roots);
  const taken = new Set(others.map((config) => config.slot));
  const isFree = (slot: number) => !taken.has(slot) && !addresses.includes(hostAddress(slot));
  const slot = Array.from({ length: CLUSTERS_MAX }, (_, i) => i).find(isFree);
  if (slot === undefined) {
    throw new CommandError("NO_SLOT", `${CLUSTERS_MAX} clusters are on this host already`, {
      remedy: "remove one: r2k down --purge --name NAME",
    });
  }
  return {
    formatVersion: FORMAT_VERSION,
    name,
    slot,
    nodeName: firstNodeName(name, hostname()),
    dataDir: join(roots.data, name),
    runDir: join(roots.run, name),
    ...slotAddresses(slot),
    podCidr: `10.${244 - slot}.0.0/16`,
    serviceCidr: `10.${96 + slot}.0.0/16`,
    apiServiceAddress: `10.${96 + slot}.0.1`,
    dnsAddress: `10.${96 + slot}.0.10`,
    clusterDomain: "cluster.local",
    ...choices,
    ...(storeMembers === undefined || storeMembers === 1 ? {} : { storeMembers }),
    ...(controlPlanes === undefined || controlPlanes === 1 ? {} : { controlPlanes }),
  };
}

function slotAddresses(slot: number) {
  const nodeAddress = `10.200.${slot}.2`;
  return { apiPort: API_PORT_FIRST + slot, hostAddress: hostAddress(slot), nodeAddress };
}

/** Whether a configuration is that of a whole cluster, with the addresses of one of the slots. */
export function isWholeCluster(config: ClusterConfig): boolean {
  const { slot, joins, guest, controlPlane } = config;
  if ([joins, guest, controlPlane].some((part) => part !== undefined)) return false;
  if (slot < 0 || slot >= CLUSTERS_MAX) return false;
  const { apiPort, hostAddress: host, nodeAddress } = slotAddresses(slot);
  return (
    config.apiPort === apiPort && config.hostAddress === host && config.nodeAddress === nodeAddress
  );
}

export function clusterPlace(name: string, roots: ClusterRoots): ClusterPlace {
  return { name, dataDir: join(roots.data, name), runDir: join(roots.run, name) };
}

/**
 * The configuration of a cluster that was started before, or undefined. Throws CommandError
 * `NOT_YOURS`, and `UNUSABLE_CONFIG` when the file is broken, newer, or missing beside state.
 */
export async function readCluster(
  name: string,
  roots: ClusterRoots,
): Promise<ClusterConfig | undefined> {
  const { dataDir } = clusterPlace(name, roots);
  try {
    return await readConfigFile(configPath(dataDir), name);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT", "ENOTDIR")) throw thrown;
    const state = STATE_FOLDERS.filter((folder) => existsSync(join(dataDir, folder)));
    if (state.length === 0) return undefined;
    const found = `is missing, but ${dataDir} has a cluster's state: ${state.join(", ")}`;
    throw unusable(configPath(dataDir), name, found, thrown);
  }
}

/** Reads one cluster.json; `name` is the cluster's for the remedy. Throws as `readCluster`. */
export async function readConfigFile(path: string, name: string): Promise<ClusterConfig> {
  const text = await readOwn(path);
  let config: Partial<ClusterConfig> | null;
  try {
    config = JSON.parse(text) as Partial<ClusterConfig> | null;
  } catch (thrown) {
    throw unusable(path, name, `is not JSON: ${messageOf(thrown)}`, thrown);
  }
  const version: unknown = config?.formatVersion;
  if (typeof version === "number" && version !== FORMAT_VERSION) {
    throw unusable(path, name, `has format ${version}, this r2k reads ${FORMAT_VERSION}`);
  }
  const missing = [
    ...(version === undefined ? ["formatVersion"] : []),
    ...STRINGS.filter((field) => typeof config?.[field] !== "string"),
    ...NUMBERS.filter((field) => !Number.isInteger(config?.[field])),
  ];
  if (missing.length > 0) throw unusable(path, name, `has no usable ${missing.join(", ")}`);
  const unknown = Object.keys(config!).filter((field) => !FIELDS.has(field));
  if (unknown.length === 0) return config as ClusterConfig;
  throw unusable(path, name, `has ${unknown.join(", ")}, which this r2k does not know`);
}

async function readOwn(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if (!isErrno(thrown, "EACCES")) throw thrown;
    throw new CommandError("NOT_YOURS", `${path} belongs to another user`, {
      remedy: "run as that user (sudo), or have folders of your own: R2K_DATA=DIR R2K_RUN=DIR",
      cause: thrown,
    });
  }
}

function unusable(path: string, name: string, what: string, cause?: unknown): CommandError {
  return new CommandError("UNUSABLE_CONFIG", `${path} ${what}`, {
    remedy:
      "put the file back (the first start wrote it; use the r2k that did), " +
      `or remove the cluster and its data: r2k down --purge --name ${name}`,
    cause,
  });
}

/** Returns the clusters below these roots whose configuration can be read. */
export async function listClusters(roots: ClusterRoots): Promise<ClusterConfig[]> {
  const found = await findClusters(roots);
  return found.flatMap(({ config }) => (config instanceof CommandError ? [] : [config]));
}

/** Returns all clusters below these roots by name, with the reason where one cannot be read. */
export async function findClusters(
  roots: ClusterRoots,
): Promise<{ readonly name: string; readonly config: ClusterConfig | CommandError }[]> {
  const names = await tolerate(readdir(roots.data), errno("ENOENT"));
  if (names === undefined) return [];
  // A restore makes a cluster's folder under a name with a dot.
  const found = names
    .filter((name) => !name.startsWith("."))
    .sort()
    .map(async (name) => {
      const config = await unlessUnusable(readCluster(name, roots));
      return config === undefined ? [] : [{ name, config }];
    });
  return (await Promise.all(found)).flat();
}

/** Resolves with a configuration, or with the CommandError that says why it cannot be used. */
export async function unlessUnusable<T>(reading: Promise<T>): Promise<T | CommandError> {
  try {
    return await reading;
  } catch (thrown) {
    const isReason = isErrno(thrown, "UNUSABLE_CONFIG", "NOT_YOURS");
    if (isReason && thrown instanceof CommandError) return thrown;
    throw thrown;
  }
}

/** The command that starts a cluster of this name, or continues its start. */
export function startCommand({ name }: Pick<ClusterConfig, "name">): string {
  return `r2k start${name === "default" ? "" : ` --name ${name}`}`;
}

/** The kind of rules that serve Services on a node. */
export const proxyModeOf = ({ proxyMode = MODE_NAMES[0] }: ClusterConfig): ModeName => proxyMode;

/** Writes a cluster's configuration, into its data folder or into one that becomes it. */
export async function writeCluster(config: ClusterConfig, dataDir = config.dataDir): Promise<void> {
  await replaceFile(configPath(dataDir), `${JSON.stringify(config, undefined, 2)}\n`);
}

export const configPath = (dataDir: string): string => join(dataDir, "cluster.json");
