import type { CniVersion } from "./version.ts";

/** The commands of the execution protocol (CNI spec 1.1.0, section 2). */
export type Command = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/**
 * One plugin's object in a network configuration; keys that are the plugin's own stay as they are.
 */
export interface PluginConfig {
  /** The file name of the plugin's executable: a bare name, never a path. */
  type: string;
  /** Runtime capabilities the plugin wants (`portMappings`, `ips`, ...). */
  capabilities?: Record<string, boolean>;
  ipam?: { type?: string; [key: string]: unknown };
  dns?: Dns;
  [key: string]: unknown;
}

/** A network: plugins that run one after the other (CNI spec 1.1.0, section 1). */
export interface NetworkList {
  name: string;
  /** Every version the file allows, lowest first. The one used is negotiated with the plugins. */
  cniVersions: CniVersion[];
  disableCheck: boolean;
  disableGC: boolean;
  plugins: PluginConfig[];
  /** Where it was read, for messages. */
  source: string;
}

/** A container's end of one network: what ADD, CHECK and DEL are about. */
export interface Attachment {
  containerId: string;
  /** Path of the network namespace. Empty on DEL when the namespace is gone. */
  netns: string;
  ifName: string;
  /** CNI_ARGS: `K8S_POD_NAMESPACE` and its like, without `;` or `=` inside. */
  args?: Record<string, string>;
  /** By capability name; each plugin gets those that it declares. */
  capabilityArgs?: CapabilityArgs;
}

/** Well-known capability arguments (cni.dev conventions); others pass through as they are. */
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
  /** Lower case. */
  protocol: "tcp" | "udp" | "sctp";
  hostIP?: string;
}

/** The success result, in the shape of 1.1.0, whatever version went over the wire. */
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
  /** Path of the netns for an interface inside the container, absent on the host's side. */
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

/** What identifies an attachment in a GC call. */
export interface ValidAttachment {
  containerID: string;
  ifname: string;
}

/** One call of a plugin: the environment of the protocol and the configuration on stdin. */
export interface PluginRequest {
  command: Command;
  containerId: string;
  netns: string;
  ifName: string;
  /** CNI_ARGS as it goes over the wire: `K=V;K=V`. */
  args: string;
  /** CNI_PATH: where delegated plugins are looked for. */
  path: string[];
  config: PluginConfig & { name?: string; cniVersion?: string };
}

/** Calls the plugin whose executable is `file`; resolves with the object it printed, if any. */
export type Invoke = (file: string, request: PluginRequest) => Promise<unknown>;
