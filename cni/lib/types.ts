import type { CniVersion } from "./version.ts";

/** The commands of the execution protocol (CNI spec 1.1.0, section 2). */
export type Command = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/**
 * One plugin's object in a network configuration; keys specific to the plugin are passed through.
 */
export interface PluginConfig {
  /** File name of the plugin's executable, never a path. */
  type: string;
  /** Runtime capabilities that the plugin supports (`portMappings`, `ips`, ...). */
  capabilities?: Record<string, boolean>;
  ipam?: { type?: string; [key: string]: unknown };
  dns?: Dns;
  [key: string]: unknown;
}

/** A network: a chain of plugins (CNI spec 1.1.0, section 1). */
export interface NetworkList {
  name: string;
  /** The versions that the file allows, lowest first. `negotiate` selects one. */
  cniVersions: CniVersion[];
  disableCheck: boolean;
  disableGC: boolean;
  plugins: PluginConfig[];
}

/** A container's interface in one network: the subject of ADD, CHECK and DEL. */
export interface Attachment {
  containerId: string;
  /** Path of the network namespace. Empty in DEL after the namespace was deleted. */
  netns: string;
  ifName: string;
  /** CNI_ARGS such as `K8S_POD_NAMESPACE`; must not contain `;` or `=`. */
  args?: Record<string, string>;
  /** Arguments by capability name; each plugin receives those that it declares. */
  capabilityArgs?: CapabilityArgs;
}

/** Well-known capability arguments (cni.dev conventions); others are passed through. */
export interface CapabilityArgs {
  portMappings?: PortMapping[];
  ips?: string[];
  mac?: string;
  bandwidth?: Record<string, number>;
  dns?: Dns;
  [capability: string]: unknown;
}

/** One `hostPort` of a pod. */
export interface PortMapping {
  hostPort: number;
  containerPort: number;
  /** Protocol in lower case. */
  protocol: "tcp" | "udp" | "sctp";
  hostIP?: string;
}

/** The success result in the format of 1.1.0, for all versions of the protocol. */
export interface CniResult {
  cniVersion: string;
  interfaces?: ResultInterface[];
  ips?: ResultIp[];
  routes?: ResultRoute[];
  dns?: Dns;
}

export interface ResultInterface {
  name: string;
  mac?: string;
  mtu?: number;
  /** Path of the netns of an interface in the container; absent for one of the host. */
  sandbox?: string;
  socketPath?: string;
  pciID?: string;
}

export interface ResultIp {
  /** CIDR notation: `10.1.0.5/16`. */
  address: string;
  gateway?: string;
  /** Index into `interfaces`. */
  interface?: number;
}

export interface ResultRoute {
  dst: string;
  gw?: string;
  mtu?: number;
  advmss?: number;
  priority?: number;
  table?: number;
  scope?: number;
}

export interface Dns {
  nameservers?: string[];
  domain?: string;
  search?: string[];
  options?: string[];
}

/** The key of an attachment in a GC call. */
export type ValidAttachment = { containerID: string; ifname: string };

/** One call of a plugin: the environment of the protocol and the configuration on stdin. */
export interface PluginRequest {
  command: Command;
  containerId: string;
  netns: string;
  ifName: string;
  /** CNI_ARGS as in the environment: `K=V;K=V`. */
  args: string;
  /** CNI_PATH: directories of delegated plugins. */
  path: string[];
  config: PluginConfig & { name?: string; cniVersion?: string };
}

/** Calls the plugin with the executable `file`; resolves with the object it printed, if any. */
export type Invoke = (file: string, request: PluginRequest) => Promise<unknown>;
