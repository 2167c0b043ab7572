// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.
import { MessageType } from "../codec.ts";
import type { ServerStream, Unary, ServiceTable } from "../service.ts";

export interface VersionRequest {
  version: string;
}
export const VersionRequest: MessageType<VersionRequest> = new MessageType("runtime.v1.VersionRequest", () => [
  { id: 1, name: "version", type: "string" },
]);

export interface VersionResponse {
  version: string;
  runtimeName: string;
  runtimeVersion: string;
  runtimeApiVersion: string;
}
export const VersionResponse: MessageType<VersionResponse> = new MessageType("runtime.v1.VersionResponse", () => [
  { id: 1, name: "version", type: "string" },
  { id: 2, name: "runtimeName", type: "string" },
  { id: 3, name: "runtimeVersion", type: "string" },
  { id: 4, name: "runtimeApiVersion", type: "string" },
]);

export interface DNSConfig {
  servers: string[];
  searches: string[];
  options: string[];
}
export const DNSConfig: MessageType<DNSConfig> = new MessageType("runtime.v1.DNSConfig", () => [
  { id: 1, name: "servers", type: "string", repeated: true },
  { id: 2, name: "searches", type: "string", repeated: true },
  { id: 3, name: "options", type: "string", repeated: true },
]);

export type Protocol = number;
export const Protocol = {
  TCP: 0,
  UDP: 1,
  SCTP: 2,
} as const;

export interface PortMapping {
  protocol: Protocol;
  containerPort: number;
  hostPort: number;
  hostIp: string;
}
export const PortMapping: MessageType<PortMapping> = new MessageType("runtime.v1.PortMapping", () => [
  { id: 1, name: "protocol", type: "int32" },
  { id: 2, name: "containerPort", type: "int32" },
  { id: 3, name: "hostPort", type: "int32" },
  { id: 4, name: "hostIp", type: "string" },
]);

export type MountPropagation = number;
export const MountPropagation = {
  PROPAGATION_PRIVATE: 0,
  PROPAGATION_HOST_TO_CONTAINER: 1,
  PROPAGATION_BIDIRECTIONAL: 2,
} as const;

export interface Mount {
  containerPath: string;
  hostPath: string;
  readonly: boolean;
  selinuxRelabel: boolean;
  propagation: MountPropagation;
  uidMappings: IDMapping[];
  gidMappings: IDMapping[];
  recursiveReadOnly: boolean;
  image?: ImageSpec | undefined;
  imageSubPath: string;
}
export const Mount: MessageType<Mount> = new MessageType("runtime.v1.Mount", () => [
  { id: 1, name: "containerPath", type: "string" },
  { id: 2, name: "hostPath", type: "string" },
  { id: 3, name: "readonly", type: "bool" },
  { id: 4, name: "selinuxRelabel", type: "bool" },
  { id: 5, name: "propagation", type: "int32" },
  { id: 6, name: "uidMappings", type: () => IDMapping as never, repeated: true },
  { id: 7, name: "gidMappings", type: () => IDMapping as never, repeated: true },
  { id: 8, name: "recursiveReadOnly", type: "bool" },
  { id: 9, name: "image", type: () => ImageSpec as never, optional: true },
  { id: 10, name: "imageSubPath", type: "string" },
]);

export interface IDMapping {
  hostId: number;
  containerId: number;
  length: number;
}
export const IDMapping: MessageType<IDMapping> = new MessageType("runtime.v1.IDMapping", () => [
  { id: 1, name: "hostId", type: "uint32" },
  { id: 2, name: "containerId", type: "uint32" },
  { id: 3, name: "length", type: "uint32" },
]);

export type NamespaceMode = number;
export const NamespaceMode = {
  POD: 0,
  CONTAINER: 1,
  NODE: 2,
  TARGET: 3,
} as const;

export interface UserNamespace {
  mode: NamespaceMode;
  uids: IDMapping[];
  gids: IDMapping[];
}
export const UserNamespace: MessageType<UserNamespace> = new MessageType("runtime.v1.UserNamespace", () => [
  { id: 1, name: "mode", type: "int32" },
  { id: 2, name: "uids", type: () => IDMapping as never, repeated: true },
  { id: 3, name: "gids", type: () => IDMapping as never, repeated: true },
]);

export interface NamespaceOption {
  network: NamespaceMode;
  pid: NamespaceMode;
  ipc: NamespaceMode;
  targetId: string;
  usernsOptions?: UserNamespace | undefined;
}
export const NamespaceOption: MessageType<NamespaceOption> = new MessageType("runtime.v1.NamespaceOption", () => [
  { id: 1, name: "network", type: "int32" },
  { id: 2, name: "pid", type: "int32" },
  { id: 3, name: "ipc", type: "int32" },
  { id: 4, name: "targetId", type: "string" },
  { id: 5, name: "usernsOptions", type: () => UserNamespace as never, optional: true },
]);

export type SupplementalGroupsPolicy = number;
export const SupplementalGroupsPolicy = {
  Merge: 0,
  Strict: 1,
} as const;

export interface Int64Value {
  value: number;
}
export const Int64Value: MessageType<Int64Value> = new MessageType("runtime.v1.Int64Value", () => [
  { id: 1, name: "value", type: "int64" },
]);

export interface LinuxSandboxSecurityContext {
  namespaceOptions?: NamespaceOption | undefined;
  selinuxOptions?: SELinuxOption | undefined;
  runAsUser?: Int64Value | undefined;
  runAsGroup?: Int64Value | undefined;
  readonlyRootfs: boolean;
  supplementalGroups: number[];
  supplementalGroupsPolicy: SupplementalGroupsPolicy;
  privileged: boolean;
  seccomp?: SecurityProfile | undefined;
  apparmor?: SecurityProfile | undefined;
  seccompProfilePath: string;
}
export const LinuxSandboxSecurityContext: MessageType<LinuxSandboxSecurityContext> = new MessageType("runtime.v1.LinuxSandboxSecurityContext", () => [
  { id: 1, name: "namespaceOptions", type: () => NamespaceOption as never, optional: true },
  { id: 2, name: "selinuxOptions", type: () => SELinuxOption as never, optional: true },
  { id: 3, name: "runAsUser", type: () => Int64Value as never, optional: true },
  { id: 8, name: "runAsGroup", type: () => Int64Value as never, optional: true },
  { id: 4, name: "readonlyRootfs", type: "bool" },
  { id: 5, name: "supplementalGroups", type: "int64", repeated: true },
  { id: 11, name: "supplementalGroupsPolicy", type: "int32" },
  { id: 6, name: "privileged", type: "bool" },
  { id: 9, name: "seccomp", type: () => SecurityProfile as never, optional: true },
  { id: 10, name: "apparmor", type: () => SecurityProfile as never, optional: true },
  { id: 7, name: "seccompProfilePath", type: "string" },
]);

export interface SecurityProfile {
  profileType: SecurityProfile_ProfileType;
  localhostRef: string;
}
export const SecurityProfile: MessageType<SecurityProfile> = new MessageType("runtime.v1.SecurityProfile", () => [
  { id: 1, name: "profileType", type: "int32" },
  { id: 2, name: "localhostRef", type: "string" },
]);

export type SecurityProfile_ProfileType = number;
export const SecurityProfile_ProfileType = {
  RuntimeDefault: 0,
  Unconfined: 1,
  Localhost: 2,
} as const;

export interface LinuxPodSandboxConfig {
  cgroupParent: string;
  securityContext?: LinuxSandboxSecurityContext | undefined;
  sysctls: Record<string, string>;
  overhead?: LinuxContainerResources | undefined;
  resources?: LinuxContainerResources | undefined;
}
export const LinuxPodSandboxConfig: MessageType<LinuxPodSandboxConfig> = new MessageType("runtime.v1.LinuxPodSandboxConfig", () => [
  { id: 1, name: "cgroupParent", type: "string" },
  { id: 2, name: "securityContext", type: () => LinuxSandboxSecurityContext as never, optional: true },
  { id: 3, name: "sysctls", type: "string", mapKey: "string" },
  { id: 4, name: "overhead", type: () => LinuxContainerResources as never, optional: true },
  { id: 5, name: "resources", type: () => LinuxContainerResources as never, optional: true },
]);

export interface PodSandboxMetadata {
  name: string;
  uid: string;
  namespace: string;
  attempt: number;
}
export const PodSandboxMetadata: MessageType<PodSandboxMetadata> = new MessageType("runtime.v1.PodSandboxMetadata", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "uid", type: "string" },
  { id: 3, name: "namespace", type: "string" },
  { id: 4, name: "attempt", type: "uint32" },
]);

export interface PodSandboxConfig {
  metadata?: PodSandboxMetadata | undefined;
  hostname: string;
  logDirectory: string;
  dnsConfig?: DNSConfig | undefined;
  portMappings: PortMapping[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  linux?: LinuxPodSandboxConfig | undefined;
  windows?: WindowsPodSandboxConfig | undefined;
}
export const PodSandboxConfig: MessageType<PodSandboxConfig> = new MessageType("runtime.v1.PodSandboxConfig", () => [
  { id: 1, name: "metadata", type: () => PodSandboxMetadata as never, optional: true },
  { id: 2, name: "hostname", type: "string" },
  { id: 3, name: "logDirectory", type: "string" },
  { id: 4, name: "dnsConfig", type: () => DNSConfig as never, optional: true },
  { id: 5, name: "portMappings", type: () => PortMapping as never, repeated: true },
  { id: 6, name: "labels", type: "string", mapKey: "string" },
  { id: 7, name: "annotations", type: "string", mapKey: "string" },
  { id: 8, name: "linux", type: () => LinuxPodSandboxConfig as never, optional: true },
  { id: 9, name: "windows", type: () => WindowsPodSandboxConfig as never, optional: true },
]);

export interface RunPodSandboxRequest {
  config?: PodSandboxConfig | undefined;
  runtimeHandler: string;
}
export const RunPodSandboxRequest: MessageType<RunPodSandboxRequest> = new MessageType("runtime.v1.RunPodSandboxRequest", () => [
  { id: 1, name: "config", type: () => PodSandboxConfig as never, optional: true },
  { id: 2, name: "runtimeHandler", type: "string" },
]);

export interface RunPodSandboxResponse {
  podSandboxId: string;
}
export const RunPodSandboxResponse: MessageType<RunPodSandboxResponse> = new MessageType("runtime.v1.RunPodSandboxResponse", () => [
  { id: 1, name: "podSandboxId", type: "string" },
]);

export interface StopPodSandboxRequest {
  podSandboxId: string;
}
export const StopPodSandboxRequest: MessageType<StopPodSandboxRequest> = new MessageType("runtime.v1.StopPodSandboxRequest", () => [
  { id: 1, name: "podSandboxId", type: "string" },
]);

export type StopPodSandboxResponse = Record<never, never>;
export const StopPodSandboxResponse: MessageType<StopPodSandboxResponse> = new MessageType("runtime.v1.StopPodSandboxResponse", () => [
]);

export interface RemovePodSandboxRequest {
  podSandboxId: string;
}
export const RemovePodSandboxRequest: MessageType<RemovePodSandboxRequest> = new MessageType("runtime.v1.RemovePodSandboxRequest", () => [
  { id: 1, name: "podSandboxId", type: "string" },
]);

export type RemovePodSandboxResponse = Record<never, never>;
export const RemovePodSandboxResponse: MessageType<RemovePodSandboxResponse> = new MessageType("runtime.v1.RemovePodSandboxResponse", () => [
]);

export interface PodSandboxStatusRequest {
  podSandboxId: string;
  verbose: boolean;
}
export const PodSandboxStatusRequest: MessageType<PodSandboxStatusRequest> = new MessageType("runtime.v1.PodSandboxStatusRequest", () => [
  { id: 1, name: "podSandboxId", type: "string" },
  { id: 2, name: "verbose", type: "bool" },
]);

export interface PodIP {
  ip: string;
}
export const PodIP: MessageType<PodIP> = new MessageType("runtime.v1.PodIP", () => [
  { id: 1, name: "ip", type: "string" },
]);

export interface PodSandboxNetworkStatus {
  ip: string;
  additionalIps: PodIP[];
}
export const PodSandboxNetworkStatus: MessageType<PodSandboxNetworkStatus> = new MessageType("runtime.v1.PodSandboxNetworkStatus", () => [
  { id: 1, name: "ip", type: "string" },
  { id: 2, name: "additionalIps", type: () => PodIP as never, repeated: true },
]);

export interface Namespace {
  options?: NamespaceOption | undefined;
}
export const Namespace: MessageType<Namespace> = new MessageType("runtime.v1.Namespace", () => [
  { id: 2, name: "options", type: () => NamespaceOption as never, optional: true },
]);

export interface LinuxPodSandboxStatus {
  namespaces?: Namespace | undefined;
}
export const LinuxPodSandboxStatus: MessageType<LinuxPodSandboxStatus> = new MessageType("runtime.v1.LinuxPodSandboxStatus", () => [
  { id: 1, name: "namespaces", type: () => Namespace as never, optional: true },
]);

export type PodSandboxState = number;
export const PodSandboxState = {
  SANDBOX_READY: 0,
  SANDBOX_NOTREADY: 1,
} as const;

export interface PodSandboxStatus {
  id: string;
  metadata?: PodSandboxMetadata | undefined;
  state: PodSandboxState;
  createdAt: bigint;
  network?: PodSandboxNetworkStatus | undefined;
  linux?: LinuxPodSandboxStatus | undefined;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  runtimeHandler: string;
}
export const PodSandboxStatus: MessageType<PodSandboxStatus> = new MessageType("runtime.v1.PodSandboxStatus", () => [
  { id: 1, name: "id", type: "string" },
  { id: 2, name: "metadata", type: () => PodSandboxMetadata as never, optional: true },
  { id: 3, name: "state", type: "int32" },
  { id: 4, name: "createdAt", type: "int64", bigint: true },
  { id: 5, name: "network", type: () => PodSandboxNetworkStatus as never, optional: true },
  { id: 6, name: "linux", type: () => LinuxPodSandboxStatus as never, optional: true },
  { id: 7, name: "labels", type: "string", mapKey: "string" },
  { id: 8, name: "annotations", type: "string", mapKey: "string" },
  { id: 9, name: "runtimeHandler", type: "string" },
]);

export interface PodSandboxStatusResponse {
  status?: PodSandboxStatus | undefined;
  info: Record<string, string>;
  containersStatuses: ContainerStatus[];
  timestamp: bigint;
}
export const PodSandboxStatusResponse: MessageType<PodSandboxStatusResponse> = new MessageType("runtime.v1.PodSandboxStatusResponse", () => [
  { id: 1, name: "status", type: () => PodSandboxStatus as never, optional: true },
  { id: 2, name: "info", type: "string", mapKey: "string" },
  { id: 3, name: "containersStatuses", type: () => ContainerStatus as never, repeated: true },
  { id: 4, name: "timestamp", type: "int64", bigint: true },
]);

export interface PodSandboxStateValue {
  state: PodSandboxState;
}
export const PodSandboxStateValue: MessageType<PodSandboxStateValue> = new MessageType("runtime.v1.PodSandboxStateValue", () => [
  { id: 1, name: "state", type: "int32" },
]);

export interface PodSandboxFilter {
  id: string;
  state?: PodSandboxStateValue | undefined;
  labelSelector: Record<string, string>;
}
export const PodSandboxFilter: MessageType<PodSandboxFilter> = new MessageType("runtime.v1.PodSandboxFilter", () => [
  { id: 1, name: "id", type: "string" },
  { id: 2, name: "state", type: () => PodSandboxStateValue as never, optional: true },
  { id: 3, name: "labelSelector", type: "string", mapKey: "string" },
]);

export interface ListPodSandboxRequest {
  filter?: PodSandboxFilter | undefined;
}
export const ListPodSandboxRequest: MessageType<ListPodSandboxRequest> = new MessageType("runtime.v1.ListPodSandboxRequest", () => [
  { id: 1, name: "filter", type: () => PodSandboxFilter as never, optional: true },
]);

export interface PodSandbox {
  id: string;
  metadata?: PodSandboxMetadata | undefined;
  state: PodSandboxState;
  createdAt: bigint;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  runtimeHandler: string;
}
export const PodSandbox: MessageType<PodSandbox> = new MessageType("runtime.v1.PodSandbox", () => [
  { id: 1, name: "id", type: "string" },
  { id: 2, name: "metadata", type: () => PodSandboxMetadata as never, optional: true },
  { id: 3, name: "state", type: "int32" },
  { id: 4, name: "createdAt", type: "int64", bigint: true },
  { id: 5, name: "labels", type: "string", mapKey: "string" },
  { id: 6, name: "annotations", type: "string", mapKey: "string" },
  { id: 7, name: "runtimeHandler", type: "string" },
]);

export interface ListPodSandboxResponse {
  items: PodSandbox[];
}
export const ListPodSandboxResponse: MessageType<ListPodSandboxResponse> = new MessageType("runtime.v1.ListPodSandboxResponse", () => [
  { id: 1, name: "items", type: () => PodSandbox as never, repeated: true },
]);

export interface StreamPodSandboxesRequest {
  filter?: PodSandboxFilter | undefined;
}
export const StreamPodSandboxesRequest: MessageType<StreamPodSandboxesRequest> = new MessageType("runtime.v1.StreamPodSandboxesRequest", () => [
  { id: 1, name: "filter", type: () => PodSandboxFilter as never, optional: true },
]);

export interface StreamPodSandboxesResponse {
  podSandboxes: PodSandbox[];
}
export const StreamPodSandboxesResponse: MessageType<StreamPodSandboxesResponse> = new MessageType("runtime.v1.StreamPodSandboxesResponse", () => [
  { id: 1, name: "podSandboxes", type: () => PodSandbox as never, repeated: true },
]);

export interface PodSandboxStatsRequest {
  podSandboxId: string;
}
export const PodSandboxStatsRequest: MessageType<PodSandboxStatsRequest> = new MessageType("runtime.v1.PodSandboxStatsRequest", () => [
  { id: 1, name: "podSandboxId", type: "string" },
]);

export interface PodSandboxStatsResponse {
  stats?: PodSandboxStats | undefined;
}
export const PodSandboxStatsResponse: MessageType<PodSandboxStatsResponse> = new MessageType("runtime.v1.PodSandboxStatsResponse", () => [
  { id: 1, name: "stats", type: () => PodSandboxStats as never, optional: true },
]);

export interface PodSandboxStatsFilter {
  id: string;
  labelSelector: Record<string, string>;
}
export const PodSandboxStatsFilter: MessageType<PodSandboxStatsFilter> = new MessageType("runtime.v1.PodSandboxStatsFilter", () => [
  { id: 1, name: "id", type: "string" },
  { id: 2, name: "labelSelector", type: "string", mapKey: "string" },
]);

export interface ListPodSandboxStatsRequest {
  filter?: PodSandboxStatsFilter | undefined;
}
export const ListPodSandboxStatsRequest: MessageType<ListPodSandboxStatsRequest> = new MessageType("runtime.v1.ListPodSandboxStatsRequest", () => [
  { id: 1, name: "filter", type: () => PodSandboxStatsFilter as never, optional: true },
]);

export interface ListPodSandboxStatsResponse {
  stats: PodSandboxStats[];
}
export const ListPodSandboxStatsResponse: MessageType<ListPodSandboxStatsResponse> = new MessageType("runtime.v1.ListPodSandboxStatsResponse", () => [
  { id: 1, name: "stats", type: () => PodSandboxStats as never, repeated: true },
]);

export interface StreamPodSandboxStatsRequest {
  filter?: PodSandboxStatsFilter | undefined;
}
export const StreamPodSandboxStatsRequest: MessageType<StreamPodSandboxStatsRequest> = new MessageType("runtime.v1.StreamPodSandboxStatsRequest", () => [
  { id: 1, name: "filter", type: () => PodSandboxStatsFilter as never, optional: true },
]);

export interface StreamPodSandboxStatsResponse {
  podSandboxStats: PodSandboxStats[];
}
export const StreamPodSandboxStatsResponse: MessageType<StreamPodSandboxStatsResponse> = new MessageType("runtime.v1.StreamPodSandboxStatsResponse", () => [
  { id: 1, name: "podSandboxStats", type: () => PodSandboxStats as never, repeated: true },
]);

export interface PodSandboxAttributes {
  id: string;
  metadata?: PodSandboxMetadata | undefined;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}
export const PodSandboxAttributes: MessageType<PodSandboxAttributes> = new MessageType("runtime.v1.PodSandboxAttributes", () => [
  { id: 1, name: "id", type: "string" },
  { id: 2, name: "metadata", type: () => PodSandboxMetadata as never, optional: true },
  { id: 3, name: "labels", type: "string", mapKey: "string" },
  { id: 4, name: "annotations", type: "string", mapKey: "string" },
]);

export interface PodSandboxStats {
  attributes?: PodSandboxAttributes | undefined;
  linux?: LinuxPodSandboxStats | undefined;
  windows?: WindowsPodSandboxStats | undefined;
}
export const PodSandboxStats: MessageType<PodSandboxStats> = new MessageType("runtime.v1.PodSandboxStats", () => [
  { id: 1, name: "attributes", type: () => PodSandboxAttributes as never, optional: true },
  { id: 2, name: "linux", type: () => LinuxPodSandboxStats as never, optional: true },
  { id: 3, name: "windows", type: () => WindowsPodSandboxStats as never, optional: true },
]);

export interface LinuxPodSandboxStats {
  cpu?: CpuUsage | undefined;
  memory?: MemoryUsage | undefined;
  network?: NetworkUsage | undefined;
  process?: ProcessUsage | undefined;
  containers: ContainerStats[];
  io?: IoUsage | undefined;
}
export const LinuxPodSandboxStats: MessageType<LinuxPodSandboxStats> = new MessageType("runtime.v1.LinuxPodSandboxStats", () => [
  { id: 1, name: "cpu", type: () => CpuUsage as never, optional: true },
  { id: 2, name: "memory", type: () => MemoryUsage as never, optional: true },
  { id: 3, name: "network", type: () => NetworkUsage as never, optional: true },
  { id: 4, name: "process", type: () => ProcessUsage as never, optional: true },
  { id: 5, name: "containers", type: () => ContainerStats as never, repeated: true },
  { id: 6, name: "io", type: () => IoUsage as never, optional: true },
]);

export interface WindowsPodSandboxStats {
  cpu?: WindowsCpuUsage | undefined;
  memory?: WindowsMemoryUsage | undefined;
  network?: WindowsNetworkUsage | undefined;
  process?: WindowsProcessUsage | undefined;
  containers: WindowsContainerStats[];
}
export const WindowsPodSandboxStats: MessageType<WindowsPodSandboxStats> = new MessageType("runtime.v1.WindowsPodSandboxStats", () => [
  { id: 1, name: "cpu", type: () => WindowsCpuUsage as never, optional: true },
  { id: 2, name: "memory", type: () => WindowsMemoryUsage as never, optional: true },
  { id: 3, name: "network", type: () => WindowsNetworkUsage as never, optional: true },
  { id: 4, name: "process", type: () => WindowsProcessUsage as never, optional: true },
  { id: 5, name: "containers", type: () => WindowsContainerStats as never, repeated: true },
]);

export interface NetworkUsage {
  timestamp: bigint;
  defaultInterface?: NetworkInterfaceUsage | undefined;
  interfaces: NetworkInterfaceUsage[];
}
export const NetworkUsage: MessageType<NetworkUsage> = new MessageType("runtime.v1.NetworkUsage", () => [
  { id: 1, name: "timestamp", type: "int64", bigint: true },
  { id: 2, name: "defaultInterface", type: () => NetworkInterfaceUsage as never, optional: true },
  { id: 3, name: "interfaces", type: () => NetworkInterfaceUsage as never, repeated: true },
]);

export interface WindowsNetworkUsage {
  timestamp: bigint;
  defaultInterface?: WindowsNetworkInterfaceUsage | undefined;
  interfaces: WindowsNetworkInterfaceUsage[];
}
export const WindowsNetworkUsage: MessageType<WindowsNetworkUsage> = new MessageType("runtime.v1.WindowsNetworkUsage", () => [
  { id: 1, name: "timestamp", type: "int64", bigint: true },
  { id: 2, name: "defaultInterface", type: () => WindowsNetworkInterfaceUsage as never, optional: true },
  { id: 3, name: "interfaces", type: () => WindowsNetworkInterfaceUsage as never, repeated: true },
]);

export interface NetworkInterfaceUsage {
  name: string;
  rxBytes?: UInt64Value | undefined;
  rxErrors?: UInt64Value | undefined;
  txBytes?: UInt64Value | undefined;
  txErrors?: UInt64Value | undefined;
}
export const NetworkInterfaceUsage: MessageType<NetworkInterfaceUsage> = new MessageType("runtime.v1.NetworkInterfaceUsage", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "rxBytes", type: () => UInt64Value as never, optional: true },
  { id: 3, name: "rxErrors", type: () => UInt64Value as never, optional: true },
  { id: 4, name: "txBytes", type: () => UInt64Value as never, optional: true },
  { id: 5, name: "txErrors", type: () => UInt64Value as never, optional: true },
]);

export interface WindowsNetworkInterfaceUsage {
  name: string;
  rxBytes?: UInt64Value | undefined;
  rxPacketsDropped?: UInt64Value | undefined;
  txBytes?: UInt64Value | undefined;
  txPacketsDropped?: UInt64Value | undefined;
}
export const WindowsNetworkInterfaceUsage: MessageType<WindowsNetworkInterfaceUsage> = new MessageType("runtime.v1.WindowsNetworkInterfaceUsage", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "rxBytes", type: () => UInt64Value as never, optional: true },
  { id: 3, name: "rxPacketsDropped", type: () => UInt64Value as never, optional: true },
  { id: 4, name: "txBytes", type: () => UInt64Value as never, optional: true },
  { id: 5, name: "txPacketsDropped", type: () => UInt64Value as never, optional: true },
]);

export interface ProcessUsage {
  timestamp: bigint;
  processCount?: UInt64Value | undefined;
}
export const ProcessUsage: MessageType<ProcessUsage> = new MessageType("runtime.v1.ProcessUsage", () => [
  { id: 1, name: "timestamp", type: "int64", bigint: true },
  { id: 2, name: "processCount", type: () => UInt64Value as never, optional: true },
]);

export interface WindowsProcessUsage {
  timestamp: bigint;
  processCount?: UInt64Value | undefined;
}
export const WindowsProcessUsage: MessageType<WindowsProcessUsage> = new MessageType("runtime.v1.WindowsProcessUsage", () => [
  { id: 1, name: "timestamp", type: "int64", bigint: true },
  { id: 2, name: "processCount", type: () => UInt64Value as never, optional: true },
]);

export interface ImageSpec {
  image: string;
  annotations: Record<string, string>;
  userSpecifiedImage: string;
  runtimeHandler: string;
  imageRef: string;
}
export const ImageSpec: MessageType<ImageSpec> = new MessageType("runtime.v1.ImageSpec", () => [
  { id: 1, name: "image", type: "string" },
  { id: 2, name: "annotations", type: "string", mapKey: "string" },
  { id: 18, name: "userSpecifiedImage", type: "string" },
  { id: 19, name: "runtimeHandler", type: "string" },
  { id: 20, name: "imageRef", type: "string" },
]);

export interface KeyValue {
  key: string;
  value: string;
}
export const KeyValue: MessageType<KeyValue> = new MessageType("runtime.v1.KeyValue", () => [
  { id: 1, name: "key", type: "string" },
  { id: 2, name: "value", type: "string" },
]);

export interface LinuxContainerResources {
  cpuPeriod: number;
  cpuQuota: number;
  cpuShares: number;
  memoryLimitInBytes: number;
  oomScoreAdj: number;
  cpusetCpus: string;
  cpusetMems: string;
  hugepageLimits: HugepageLimit[];
  unified: Record<string, string>;
  memorySwapLimitInBytes: number;
}
export const LinuxContainerResources: MessageType<LinuxContainerResources> = new MessageType("runtime.v1.LinuxContainerResources", () => [
  { id: 1, name: "cpuPeriod", type: "int64" },
  { id: 2, name: "cpuQuota", type: "int64" },
  { id: 3, name: "cpuShares", type: "int64" },
  { id: 4, name: "memoryLimitInBytes", type: "int64" },
  { id: 5, name: "oomScoreAdj", type: "int64" },
  { id: 6, name: "cpusetCpus", type: "string" },
  { id: 7, name: "cpusetMems", type: "string" },
  { id: 8, name: "hugepageLimits", type: () => HugepageLimit as never, repeated: true },
  { id: 9, name: "unified", type: "string", mapKey: "string" },
  { id: 10, name: "memorySwapLimitInBytes", type: "int64" },
]);

export interface HugepageLimit {
  pageSize: string;
  limit: number;
}
export const HugepageLimit: MessageType<HugepageLimit> = new MessageType("runtime.v1.HugepageLimit", () => [
  { id: 1, name: "pageSize", type: "string" },
  { id: 2, name: "limit", type: "uint64" },
]);

export interface SELinuxOption {
  user: string;
  role: string;
  type: string;
  level: string;
}
export const SELinuxOption: MessageType<SELinuxOption> = new MessageType("runtime.v1.SELinuxOption", () => [
  { id: 1, name: "user", type: "string" },
  { id: 2, name: "role", type: "string" },
  { id: 3, name: "type", type: "string" },
  { id: 4, name: "level", type: "string" },
]);

export interface Capability {
  addCapabilities: string[];
  dropCapabilities: string[];
  addAmbientCapabilities: string[];
}
export const Capability: MessageType<Capability> = new MessageType("runtime.v1.Capability", () => [
  { id: 1, name: "addCapabilities", type: "string", repeated: true },
  { id: 2, name: "dropCapabilities", type: "string", repeated: true },
  { id: 3, name: "addAmbientCapabilities", type: "string", repeated: true },
]);

export interface LinuxContainerSecurityContext {
  capabilities?: Capability | undefined;
  privileged: boolean;
  namespaceOptions?: NamespaceOption | undefined;
  selinuxOptions?: SELinuxOption | undefined;
  runAsUser?: Int64Value | undefined;
  runAsGroup?: Int64Value | undefined;
  runAsUsername: string;
  readonlyRootfs: boolean;
  supplementalGroups: number[];
  supplementalGroupsPolicy: SupplementalGroupsPolicy;
  noNewPrivs: boolean;
  maskedPaths: string[];
  readonlyPaths: string[];
  seccomp?: SecurityProfile | undefined;
  apparmor?: SecurityProfile | undefined;
  apparmorProfile: string;
  seccompProfilePath: string;
}
export const LinuxContainerSecurityContext: MessageType<LinuxContainerSecurityContext> = new MessageType("runtime.v1.LinuxContainerSecurityContext", () => [
  { id: 1, name: "capabilities", type: () => Capability as never, optional: true },
  { id: 2, name: "privileged", type: "bool" },
  { id: 3, name: "namespaceOptions", type: () => NamespaceOption as never, optional: true },
  { id: 4, name: "selinuxOptions", type: () => SELinuxOption as never, optional: true },
  { id: 5, name: "runAsUser", type: () => Int64Value as never, optional: true },
  { id: 12, name: "runAsGroup", type: () => Int64Value as never, optional: true },
  { id: 6, name: "runAsUsername", type: "string" },
  { id: 7, name: "readonlyRootfs", type: "bool" },
  { id: 8, name: "supplementalGroups", type: "int64", repeated: true },
  { id: 17, name: "supplementalGroupsPolicy", type: "int32" },
  { id: 11, name: "noNewPrivs", type: "bool" },
  { id: 13, name: "maskedPaths", type: "string", repeated: true },
  { id: 14, name: "readonlyPaths", type: "string", repeated: true },
  { id: 15, name: "seccomp", type: () => SecurityProfile as never, optional: true },
  { id: 16, name: "apparmor", type: () => SecurityProfile as never, optional: true },
  { id: 9, name: "apparmorProfile", type: "string" },
  { id: 10, name: "seccompProfilePath", type: "string" },
]);

export interface LinuxContainerConfig {
  resources?: LinuxContainerResources | undefined;
  securityContext?: LinuxContainerSecurityContext | undefined;
}
export const LinuxContainerConfig: MessageType<LinuxContainerConfig> = new MessageType("runtime.v1.LinuxContainerConfig", () => [
  { id: 1, name: "resources", type: () => LinuxContainerResources as never, optional: true },
  { id: 2, name: "securityContext", type: () => LinuxContainerSecurityContext as never, optional: true },
]);

export interface LinuxContainerUser {
  uid: number;
  gid: number;
  supplementalGroups: number[];
}
export const LinuxContainerUser: MessageType<LinuxContainerUser> = new MessageType("runtime.v1.LinuxContainerUser", () => [
  { id: 1, name: "uid", type: "int64" },
  { id: 2, name: "gid", type: "int64" },
  { id: 3, name: "supplementalGroups", type: "int64", repeated: true },
]);

export interface WindowsNamespaceOption {
  network: NamespaceMode;
}
export const WindowsNamespaceOption: MessageType<WindowsNamespaceOption> = new MessageType("runtime.v1.WindowsNamespaceOption", () => [
  { id: 1, name: "network", type: "int32" },
]);

export interface WindowsSandboxSecurityContext {
  runAsUsername: string;
  credentialSpec: string;
  hostProcess: boolean;
  namespaceOptions?: WindowsNamespaceOption | undefined;
}
export const WindowsSandboxSecurityContext: MessageType<WindowsSandboxSecurityContext> = new MessageType("runtime.v1.WindowsSandboxSecurityContext", () => [
  { id: 1, name: "runAsUsername", type: "string" },
  { id: 2, name: "credentialSpec", type: "string" },
  { id: 3, name: "hostProcess", type: "bool" },
  { id: 4, name: "namespaceOptions", type: () => WindowsNamespaceOption as never, optional: true },
]);

export interface WindowsPodSandboxConfig {
  securityContext?: WindowsSandboxSecurityContext | undefined;
}
export const WindowsPodSandboxConfig: MessageType<WindowsPodSandboxConfig> = new MessageType("runtime.v1.WindowsPodSandboxConfig", () => [
  { id: 1, name: "securityContext", type: () => WindowsSandboxSecurityContext as never, optional: true },
]);

export interface WindowsContainerSecurityContext {
  runAsUsername: string;
  credentialSpec: string;
  hostProcess: boolean;
}
export const WindowsContainerSecurityContext: MessageType<WindowsContainerSecurityContext> = new MessageType("runtime.v1.WindowsContainerSecurityContext", () => [
  { id: 1, name: "runAsUsername", type: "string" },
  { id: 2, name: "credentialSpec", type: "string" },
  { id: 3, name: "hostProcess", type: "bool" },
]);

export interface WindowsContainerConfig {
  resources?: WindowsContainerResources | undefined;
  securityContext?: WindowsContainerSecurityContext | undefined;
}
export const WindowsContainerConfig: MessageType<WindowsContainerConfig> = new MessageType("runtime.v1.WindowsContainerConfig", () => [
  { id: 1, name: "resources", type: () => WindowsContainerResources as never, optional: true },
  { id: 2, name: "securityContext", type: () => WindowsContainerSecurityContext as never, optional: true },
]);

export interface WindowsContainerResources {
  cpuShares: number;
  cpuCount: number;
  cpuMaximum: number;
  memoryLimitInBytes: number;
  rootfsSizeInBytes: number;
  affinityCpus: WindowsCpuGroupAffinity[];
}
export const WindowsContainerResources: MessageType<WindowsContainerResources> = new MessageType("runtime.v1.WindowsContainerResources", () => [
  { id: 1, name: "cpuShares", type: "int64" },
  { id: 2, name: "cpuCount", type: "int64" },
  { id: 3, name: "cpuMaximum", type: "int64" },
  { id: 4, name: "memoryLimitInBytes", type: "int64" },
  { id: 5, name: "rootfsSizeInBytes", type: "int64" },
  { id: 6, name: "affinityCpus", type: () => WindowsCpuGroupAffinity as never, repeated: true },
]);

export interface WindowsCpuGroupAffinity {
  cpuMask: number;
  cpuGroup: number;
}
export const WindowsCpuGroupAffinity: MessageType<WindowsCpuGroupAffinity> = new MessageType("runtime.v1.WindowsCpuGroupAffinity", () => [
  { id: 1, name: "cpuMask", type: "uint64" },
  { id: 2, name: "cpuGroup", type: "uint32" },
]);

export interface ContainerMetadata {
  name: string;
  attempt: number;
}
export const ContainerMetadata: MessageType<ContainerMetadata> = new MessageType("runtime.v1.ContainerMetadata", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "attempt", type: "uint32" },
]);

export interface Device {
  containerPath: string;
  hostPath: string;
  permissions: string;
}
export const Device: MessageType<Device> = new MessageType("runtime.v1.Device", () => [
  { id: 1, name: "containerPath", type: "string" },
  { id: 2, name: "hostPath", type: "string" },
  { id: 3, name: "permissions", type: "string" },
]);

export interface CDIDevice {
  name: string;
}
export const CDIDevice: MessageType<CDIDevice> = new MessageType("runtime.v1.CDIDevice", () => [
  { id: 1, name: "name", type: "string" },
]);

export interface ContainerConfig {
  metadata?: ContainerMetadata | undefined;
  image?: ImageSpec | undefined;
  command: string[];
  args: string[];
  workingDir: string;
  envs: KeyValue[];
  mounts: Mount[];
  devices: Device[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  logPath: string;
  stdin: boolean;
  stdinOnce: boolean;
  tty: boolean;
  linux?: LinuxContainerConfig | undefined;
  windows?: WindowsContainerConfig | undefined;
  CDIDevices: CDIDevice[];
  stopSignal: Signal;
}
export const ContainerConfig: MessageType<ContainerConfig> = new MessageType("runtime.v1.ContainerConfig", () => [
  { id: 1, name: "metadata", type: () => ContainerMetadata as never, optional: true },
  { id: 2, name: "image", type: () => ImageSpec as never, optional: true },
  { id: 3, name: "command", type: "string", repeated: true },
  { id: 4, name: "args", type: "string", repeated: true },
  { id: 5, name: "workingDir", type: "string" },
  { id: 6, name: "envs", type: () => KeyValue as never, repeated: true },
  { id: 7, name: "mounts", type: () => Mount as never, repeated: true },
  { id: 8, name: "devices", type: () => Device as never, repeated: true },
  { id: 9, name: "labels", type: "string", mapKey: "string" },
  { id: 10, name: "annotations", type: "string", mapKey: "string" },
  { id: 11, name: "logPath", type: "string" },
  { id: 12, name: "stdin", type: "bool" },
  { id: 13, name: "stdinOnce", type: "bool" },
  { id: 14, name: "tty", type: "bool" },
  { id: 15, name: "linux", type: () => LinuxContainerConfig as never, optional: true },
  { id: 16, name: "windows", type: () => WindowsContainerConfig as never, optional: true },
  { id: 17, name: "CDIDevices", type: () => CDIDevice as never, repeated: true },
  { id: 18, name: "stopSignal", type: "int32" },
]);

export type Signal = number;
export const Signal = {
  RUNTIME_DEFAULT: 0,
  SIGABRT: 1,
  SIGALRM: 2,
  SIGBUS: 3,
  SIGCHLD: 4,
  SIGCLD: 5,
  SIGCONT: 6,
  SIGFPE: 7,
  SIGHUP: 8,
  SIGILL: 9,
  SIGINT: 10,
  SIGIO: 11,
  SIGIOT: 12,
  SIGKILL: 13,
  SIGPIPE: 14,
  SIGPOLL: 15,
  SIGPROF: 16,
  SIGPWR: 17,
  SIGQUIT: 18,
  SIGSEGV: 19,
  SIGSTKFLT: 20,
  SIGSTOP: 21,
  SIGSYS: 22,
  SIGTERM: 23,
  SIGTRAP: 24,
  SIGTSTP: 25,
  SIGTTIN: 26,
  SIGTTOU: 27,
  SIGURG: 28,
  SIGUSR1: 29,
  SIGUSR2: 30,
  SIGVTALRM: 31,
  SIGWINCH: 32,
  SIGXCPU: 33,
  SIGXFSZ: 34,
  SIGRTMIN: 35,
  SIGRTMINPLUS1: 36,
  SIGRTMINPLUS2: 37,
  SIGRTMINPLUS3: 38,
  SIGRTMINPLUS4: 39,
  SIGRTMINPLUS5: 40,
  SIGRTMINPLUS6: 41,
  SIGRTMINPLUS7: 42,
  SIGRTMINPLUS8: 43,
  SIGRTMINPLUS9: 44,
  SIGRTMINPLUS10: 45,
  SIGRTMINPLUS11: 46,
  SIGRTMINPLUS12: 47,
  SIGRTMINPLUS13: 48,
  SIGRTMINPLUS14: 49,
  SIGRTMINPLUS15: 50,
  SIGRTMAXMINUS14: 51,
  SIGRTMAXMINUS13: 52,
  SIGRTMAXMINUS12: 53,
  SIGRTMAXMINUS11: 54,
  SIGRTMAXMINUS10: 55,
  SIGRTMAXMINUS9: 56,
  SIGRTMAXMINUS8: 57,
  SIGRTMAXMINUS7: 58,
  SIGRTMAXMINUS6: 59,
  SIGRTMAXMINUS5: 60,
  SIGRTMAXMINUS4: 61,
  SIGRTMAXMINUS3: 62,
  SIGRTMAXMINUS2: 63,
  SIGRTMAXMINUS1: 64,
  SIGRTMAX: 65,
} as const;

export interface CreateContainerRequest {
  podSandboxId: string;
  config?: ContainerConfig | undefined;
  sandboxConfig?: PodSandboxConfig | undefined;
}
export const CreateContainerRequest: MessageType<CreateContainerRequest> = new MessageType("runtime.v1.CreateContainerRequest", () => [
  { id: 1, name: "podSandboxId", type: "string" },
  { id: 2, name: "config", type: () => ContainerConfig as never, optional: true },
  { id: 3, name: "sandboxConfig", type: () => PodSandboxConfig as never, optional: true },
]);

export interface CreateContainerResponse {
  containerId: string;
}
export const CreateContainerResponse: MessageType<CreateContainerResponse> = new MessageType("runtime.v1.CreateContainerResponse", () => [
  { id: 1, name: "containerId", type: "string" },
]);

export interface StartContainerRequest {
  containerId: string;
}
export const StartContainerRequest: MessageType<StartContainerRequest> = new MessageType("runtime.v1.StartContainerRequest", () => [
  { id: 1, name: "containerId", type: "string" },
]);

export type StartContainerResponse = Record<never, never>;
export const StartContainerResponse: MessageType<StartContainerResponse> = new MessageType("runtime.v1.StartContainerResponse", () => [
]);

export interface StopContainerRequest {
  containerId: string;
  timeout: number;
}
export const StopContainerRequest: MessageType<StopContainerRequest> = new MessageType("runtime.v1.StopContainerRequest", () => [
  { id: 1, name: "containerId", type: "string" },
  { id: 2, name: "timeout", type: "int64" },
]);

export type StopContainerResponse = Record<never, never>;
export const StopContainerResponse: MessageType<StopContainerResponse> = new MessageType("runtime.v1.StopContainerResponse", () => [
]);

export interface RemoveContainerRequest {
  containerId: string;
}
export const RemoveContainerRequest: MessageType<RemoveContainerRequest> = new MessageType("runtime.v1.RemoveContainerRequest", () => [
  { id: 1, name: "containerId", type: "string" },
]);

export type RemoveContainerResponse = Record<never, never>;
export const RemoveContainerResponse: MessageType<RemoveContainerResponse> = new MessageType("runtime.v1.RemoveContainerResponse", () => [
]);

export type ContainerState = number;
export const ContainerState = {
  CONTAINER_CREATED: 0,
  CONTAINER_RUNNING: 1,
  CONTAINER_EXITED: 2,
  CONTAINER_UNKNOWN: 3,
} as const;

export interface ContainerStateValue {
  state: ContainerState;
}
export const ContainerStateValue: MessageType<ContainerStateValue> = new MessageType("runtime.v1.ContainerStateValue", () => [
  { id: 1, name: "state", type: "int32" },
]);

export interface ContainerFilter {
  id: string;
  state?: ContainerStateValue | undefined;
  podSandboxId: string;
  labelSelector: Record<string, string>;
}
export const ContainerFilter: MessageType<ContainerFilter> = new MessageType("runtime.v1.ContainerFilter", () => [
  { id: 1, name: "id", type: "string" },
  { id: 2, name: "state", type: () => ContainerStateValue as never, optional: true },
  { id: 3, name: "podSandboxId", type: "string" },
  { id: 4, name: "labelSelector", type: "string", mapKey: "string" },
]);

export interface ListContainersRequest {
  filter?: ContainerFilter | undefined;
}
export const ListContainersRequest: MessageType<ListContainersRequest> = new MessageType("runtime.v1.ListContainersRequest", () => [
  { id: 1, name: "filter", type: () => ContainerFilter as never, optional: true },
]);

export interface Container {
  id: string;
  podSandboxId: string;
  metadata?: ContainerMetadata | undefined;
  image?: ImageSpec | undefined;
  imageRef: string;
  state: ContainerState;
  createdAt: bigint;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  imageId: string;
}
export const Container: MessageType<Container> = new MessageType("runtime.v1.Container", () => [
  { id: 1, name: "id", type: "string" },
  { id: 2, name: "podSandboxId", type: "string" },
  { id: 3, name: "metadata", type: () => ContainerMetadata as never, optional: true },
  { id: 4, name: "image", type: () => ImageSpec as never, optional: true },
  { id: 5, name: "imageRef", type: "string" },
  { id: 6, name: "state", type: "int32" },
  { id: 7, name: "createdAt", type: "int64", bigint: true },
  { id: 8, name: "labels", type: "string", mapKey: "string" },
  { id: 9, name: "annotations", type: "string", mapKey: "string" },
  { id: 10, name: "imageId", type: "string" },
]);

export interface ListContainersResponse {
  containers: Container[];
}
export const ListContainersResponse: MessageType<ListContainersResponse> = new MessageType("runtime.v1.ListContainersResponse", () => [
  { id: 1, name: "containers", type: () => Container as never, repeated: true },
]);

export interface StreamContainersRequest {
  filter?: ContainerFilter | undefined;
}
export const StreamContainersRequest: MessageType<StreamContainersRequest> = new MessageType("runtime.v1.StreamContainersRequest", () => [
  { id: 1, name: "filter", type: () => ContainerFilter as never, optional: true },
]);

export interface StreamContainersResponse {
  containers: Container[];
}
export const StreamContainersResponse: MessageType<StreamContainersResponse> = new MessageType("runtime.v1.StreamContainersResponse", () => [
  { id: 1, name: "containers", type: () => Container as never, repeated: true },
]);

export interface ContainerStatusRequest {
  containerId: string;
  verbose: boolean;
}
export const ContainerStatusRequest: MessageType<ContainerStatusRequest> = new MessageType("runtime.v1.ContainerStatusRequest", () => [
  { id: 1, name: "containerId", type: "string" },
  { id: 2, name: "verbose", type: "bool" },
]);

export interface ContainerStatus {
  id: string;
  metadata?: ContainerMetadata | undefined;
  state: ContainerState;
  createdAt: bigint;
  startedAt: bigint;
  finishedAt: bigint;
  exitCode: number;
  image?: ImageSpec | undefined;
  imageRef: string;
  reason: string;
  message: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  mounts: Mount[];
  logPath: string;
  resources?: ContainerResources | undefined;
  imageId: string;
  user?: ContainerUser | undefined;
  stopSignal: Signal;
}
export const ContainerStatus: MessageType<ContainerStatus> = new MessageType("runtime.v1.ContainerStatus", () => [
  { id: 1, name: "id", type: "string" },
  { id: 2, name: "metadata", type: () => ContainerMetadata as never, optional: true },
  { id: 3, name: "state", type: "int32" },
  { id: 4, name: "createdAt", type: "int64", bigint: true },
  { id: 5, name: "startedAt", type: "int64", bigint: true },
  { id: 6, name: "finishedAt", type: "int64", bigint: true },
  { id: 7, name: "exitCode", type: "int32" },
  { id: 8, name: "image", type: () => ImageSpec as never, optional: true },
  { id: 9, name: "imageRef", type: "string" },
  { id: 10, name: "reason", type: "string" },
  { id: 11, name: "message", type: "string" },
  { id: 12, name: "labels", type: "string", mapKey: "string" },
  { id: 13, name: "annotations", type: "string", mapKey: "string" },
  { id: 14, name: "mounts", type: () => Mount as never, repeated: true },
  { id: 15, name: "logPath", type: "string" },
  { id: 16, name: "resources", type: () => ContainerResources as never, optional: true },
  { id: 17, name: "imageId", type: "string" },
  { id: 18, name: "user", type: () => ContainerUser as never, optional: true },
  { id: 19, name: "stopSignal", type: "int32" },
]);

export interface ContainerStatusResponse {
  status?: ContainerStatus | undefined;
  info: Record<string, string>;
}
export const ContainerStatusResponse: MessageType<ContainerStatusResponse> = new MessageType("runtime.v1.ContainerStatusResponse", () => [
  { id: 1, name: "status", type: () => ContainerStatus as never, optional: true },
  { id: 2, name: "info", type: "string", mapKey: "string" },
]);

export interface ContainerResources {
  linux?: LinuxContainerResources | undefined;
  windows?: WindowsContainerResources | undefined;
}
export const ContainerResources: MessageType<ContainerResources> = new MessageType("runtime.v1.ContainerResources", () => [
  { id: 1, name: "linux", type: () => LinuxContainerResources as never, optional: true },
  { id: 2, name: "windows", type: () => WindowsContainerResources as never, optional: true },
]);

export interface ContainerUser {
  linux?: LinuxContainerUser | undefined;
}
export const ContainerUser: MessageType<ContainerUser> = new MessageType("runtime.v1.ContainerUser", () => [
  { id: 1, name: "linux", type: () => LinuxContainerUser as never, optional: true },
]);

export interface UpdateContainerResourcesRequest {
  containerId: string;
  linux?: LinuxContainerResources | undefined;
  windows?: WindowsContainerResources | undefined;
  annotations: Record<string, string>;
}
export const UpdateContainerResourcesRequest: MessageType<UpdateContainerResourcesRequest> = new MessageType("runtime.v1.UpdateContainerResourcesRequest", () => [
  { id: 1, name: "containerId", type: "string" },
  { id: 2, name: "linux", type: () => LinuxContainerResources as never, optional: true },
  { id: 3, name: "windows", type: () => WindowsContainerResources as never, optional: true },
  { id: 4, name: "annotations", type: "string", mapKey: "string" },
]);

export type UpdateContainerResourcesResponse = Record<never, never>;
export const UpdateContainerResourcesResponse: MessageType<UpdateContainerResourcesResponse> = new MessageType("runtime.v1.UpdateContainerResourcesResponse", () => [
]);

export interface ExecSyncRequest {
  containerId: string;
  cmd: string[];
  timeout: number;
}
export const ExecSyncRequest: MessageType<ExecSyncRequest> = new MessageType("runtime.v1.ExecSyncRequest", () => [
  { id: 1, name: "containerId", type: "string" },
  { id: 2, name: "cmd", type: "string", repeated: true },
  { id: 3, name: "timeout", type: "int64" },
]);

export interface ExecSyncResponse {
  stdout: Buffer;
  stderr: Buffer;
  exitCode: number;
}
export const ExecSyncResponse: MessageType<ExecSyncResponse> = new MessageType("runtime.v1.ExecSyncResponse", () => [
  { id: 1, name: "stdout", type: "bytes" },
  { id: 2, name: "stderr", type: "bytes" },
  { id: 3, name: "exitCode", type: "int32" },
]);

export interface ExecRequest {
  containerId: string;
  cmd: string[];
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}
export const ExecRequest: MessageType<ExecRequest> = new MessageType("runtime.v1.ExecRequest", () => [
  { id: 1, name: "containerId", type: "string" },
  { id: 2, name: "cmd", type: "string", repeated: true },
  { id: 3, name: "tty", type: "bool" },
  { id: 4, name: "stdin", type: "bool" },
  { id: 5, name: "stdout", type: "bool" },
  { id: 6, name: "stderr", type: "bool" },
]);

export interface ExecResponse {
  url: string;
}
export const ExecResponse: MessageType<ExecResponse> = new MessageType("runtime.v1.ExecResponse", () => [
  { id: 1, name: "url", type: "string" },
]);

export interface AttachRequest {
  containerId: string;
  stdin: boolean;
  tty: boolean;
  stdout: boolean;
  stderr: boolean;
}
export const AttachRequest: MessageType<AttachRequest> = new MessageType("runtime.v1.AttachRequest", () => [
  { id: 1, name: "containerId", type: "string" },
  { id: 2, name: "stdin", type: "bool" },
  { id: 3, name: "tty", type: "bool" },
  { id: 4, name: "stdout", type: "bool" },
  { id: 5, name: "stderr", type: "bool" },
]);

export interface AttachResponse {
  url: string;
}
export const AttachResponse: MessageType<AttachResponse> = new MessageType("runtime.v1.AttachResponse", () => [
  { id: 1, name: "url", type: "string" },
]);

export interface PortForwardRequest {
  podSandboxId: string;
  port: number[];
}
export const PortForwardRequest: MessageType<PortForwardRequest> = new MessageType("runtime.v1.PortForwardRequest", () => [
  { id: 1, name: "podSandboxId", type: "string" },
  { id: 2, name: "port", type: "int32", repeated: true },
]);

export interface PortForwardResponse {
  url: string;
}
export const PortForwardResponse: MessageType<PortForwardResponse> = new MessageType("runtime.v1.PortForwardResponse", () => [
  { id: 1, name: "url", type: "string" },
]);

export interface ImageFilter {
  image?: ImageSpec | undefined;
}
export const ImageFilter: MessageType<ImageFilter> = new MessageType("runtime.v1.ImageFilter", () => [
  { id: 1, name: "image", type: () => ImageSpec as never, optional: true },
]);

export interface ListImagesRequest {
  filter?: ImageFilter | undefined;
}
export const ListImagesRequest: MessageType<ListImagesRequest> = new MessageType("runtime.v1.ListImagesRequest", () => [
  { id: 1, name: "filter", type: () => ImageFilter as never, optional: true },
]);

export interface Image {
  id: string;
  repoTags: string[];
  repoDigests: string[];
  size: number;
  uid?: Int64Value | undefined;
  username: string;
  spec?: ImageSpec | undefined;
  pinned: boolean;
}
export const Image: MessageType<Image> = new MessageType("runtime.v1.Image", () => [
  { id: 1, name: "id", type: "string" },
  { id: 2, name: "repoTags", type: "string", repeated: true },
  { id: 3, name: "repoDigests", type: "string", repeated: true },
  { id: 4, name: "size", type: "uint64" },
  { id: 5, name: "uid", type: () => Int64Value as never, optional: true },
  { id: 6, name: "username", type: "string" },
  { id: 7, name: "spec", type: () => ImageSpec as never, optional: true },
  { id: 8, name: "pinned", type: "bool" },
]);

export interface ListImagesResponse {
  images: Image[];
}
export const ListImagesResponse: MessageType<ListImagesResponse> = new MessageType("runtime.v1.ListImagesResponse", () => [
  { id: 1, name: "images", type: () => Image as never, repeated: true },
]);

export interface StreamImagesRequest {
  filter?: ImageFilter | undefined;
}
export const StreamImagesRequest: MessageType<StreamImagesRequest> = new MessageType("runtime.v1.StreamImagesRequest", () => [
  { id: 1, name: "filter", type: () => ImageFilter as never, optional: true },
]);

export interface StreamImagesResponse {
  images: Image[];
}
export const StreamImagesResponse: MessageType<StreamImagesResponse> = new MessageType("runtime.v1.StreamImagesResponse", () => [
  { id: 1, name: "images", type: () => Image as never, repeated: true },
]);

export interface ImageStatusRequest {
  image?: ImageSpec | undefined;
  verbose: boolean;
}
export const ImageStatusRequest: MessageType<ImageStatusRequest> = new MessageType("runtime.v1.ImageStatusRequest", () => [
  { id: 1, name: "image", type: () => ImageSpec as never, optional: true },
  { id: 2, name: "verbose", type: "bool" },
]);

export interface ImageStatusResponse {
  image?: Image | undefined;
  info: Record<string, string>;
}
export const ImageStatusResponse: MessageType<ImageStatusResponse> = new MessageType("runtime.v1.ImageStatusResponse", () => [
  { id: 1, name: "image", type: () => Image as never, optional: true },
  { id: 2, name: "info", type: "string", mapKey: "string" },
]);

export interface AuthConfig {
  username: string;
  password: string;
  auth: string;
  serverAddress: string;
  identityToken: string;
  registryToken: string;
}
export const AuthConfig: MessageType<AuthConfig> = new MessageType("runtime.v1.AuthConfig", () => [
  { id: 1, name: "username", type: "string" },
  { id: 2, name: "password", type: "string" },
  { id: 3, name: "auth", type: "string" },
  { id: 4, name: "serverAddress", type: "string" },
  { id: 5, name: "identityToken", type: "string" },
  { id: 6, name: "registryToken", type: "string" },
]);

export interface PullImageRequest {
  image?: ImageSpec | undefined;
  auth?: AuthConfig | undefined;
  sandboxConfig?: PodSandboxConfig | undefined;
}
export const PullImageRequest: MessageType<PullImageRequest> = new MessageType("runtime.v1.PullImageRequest", () => [
  { id: 1, name: "image", type: () => ImageSpec as never, optional: true },
  { id: 2, name: "auth", type: () => AuthConfig as never, optional: true },
  { id: 3, name: "sandboxConfig", type: () => PodSandboxConfig as never, optional: true },
]);

export interface PullImageResponse {
  imageRef: string;
}
export const PullImageResponse: MessageType<PullImageResponse> = new MessageType("runtime.v1.PullImageResponse", () => [
  { id: 1, name: "imageRef", type: "string" },
]);

export interface RemoveImageRequest {
  image?: ImageSpec | undefined;
}
export const RemoveImageRequest: MessageType<RemoveImageRequest> = new MessageType("runtime.v1.RemoveImageRequest", () => [
  { id: 1, name: "image", type: () => ImageSpec as never, optional: true },
]);

export type RemoveImageResponse = Record<never, never>;
export const RemoveImageResponse: MessageType<RemoveImageResponse> = new MessageType("runtime.v1.RemoveImageResponse", () => [
]);

export interface NetworkConfig {
  podCidr: string;
}
export const NetworkConfig: MessageType<NetworkConfig> = new MessageType("runtime.v1.NetworkConfig", () => [
  { id: 1, name: "podCidr", type: "string" },
]);

export interface RuntimeConfig {
  networkConfig?: NetworkConfig | undefined;
}
export const RuntimeConfig: MessageType<RuntimeConfig> = new MessageType("runtime.v1.RuntimeConfig", () => [
  { id: 1, name: "networkConfig", type: () => NetworkConfig as never, optional: true },
]);

export interface UpdateRuntimeConfigRequest {
  runtimeConfig?: RuntimeConfig | undefined;
}
export const UpdateRuntimeConfigRequest: MessageType<UpdateRuntimeConfigRequest> = new MessageType("runtime.v1.UpdateRuntimeConfigRequest", () => [
  { id: 1, name: "runtimeConfig", type: () => RuntimeConfig as never, optional: true },
]);

export type UpdateRuntimeConfigResponse = Record<never, never>;
export const UpdateRuntimeConfigResponse: MessageType<UpdateRuntimeConfigResponse> = new MessageType("runtime.v1.UpdateRuntimeConfigResponse", () => [
]);

export interface RuntimeCondition {
  type: string;
  status: boolean;
  reason: string;
  message: string;
}
export const RuntimeCondition: MessageType<RuntimeCondition> = new MessageType("runtime.v1.RuntimeCondition", () => [
  { id: 1, name: "type", type: "string" },
  { id: 2, name: "status", type: "bool" },
  { id: 3, name: "reason", type: "string" },
  { id: 4, name: "message", type: "string" },
]);

export interface RuntimeStatus {
  conditions: RuntimeCondition[];
}
export const RuntimeStatus: MessageType<RuntimeStatus> = new MessageType("runtime.v1.RuntimeStatus", () => [
  { id: 1, name: "conditions", type: () => RuntimeCondition as never, repeated: true },
]);

export interface StatusRequest {
  verbose: boolean;
}
export const StatusRequest: MessageType<StatusRequest> = new MessageType("runtime.v1.StatusRequest", () => [
  { id: 1, name: "verbose", type: "bool" },
]);

export interface RuntimeHandlerFeatures {
  recursiveReadOnlyMounts: boolean;
  userNamespaces: boolean;
}
export const RuntimeHandlerFeatures: MessageType<RuntimeHandlerFeatures> = new MessageType("runtime.v1.RuntimeHandlerFeatures", () => [
  { id: 1, name: "recursiveReadOnlyMounts", type: "bool" },
  { id: 2, name: "userNamespaces", type: "bool" },
]);

export interface RuntimeHandler {
  name: string;
  features?: RuntimeHandlerFeatures | undefined;
}
export const RuntimeHandler: MessageType<RuntimeHandler> = new MessageType("runtime.v1.RuntimeHandler", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "features", type: () => RuntimeHandlerFeatures as never, optional: true },
]);

export interface RuntimeFeatures {
  supplementalGroupsPolicy: boolean;
  userNamespacesHostNetwork: boolean;
}
export const RuntimeFeatures: MessageType<RuntimeFeatures> = new MessageType("runtime.v1.RuntimeFeatures", () => [
  { id: 1, name: "supplementalGroupsPolicy", type: "bool" },
  { id: 2, name: "userNamespacesHostNetwork", type: "bool" },
]);

export interface StatusResponse {
  status?: RuntimeStatus | undefined;
  info: Record<string, string>;
  runtimeHandlers: RuntimeHandler[];
  features?: RuntimeFeatures | undefined;
}
export const StatusResponse: MessageType<StatusResponse> = new MessageType("runtime.v1.StatusResponse", () => [
  { id: 1, name: "status", type: () => RuntimeStatus as never, optional: true },
  { id: 2, name: "info", type: "string", mapKey: "string" },
  { id: 3, name: "runtimeHandlers", type: () => RuntimeHandler as never, repeated: true },
  { id: 4, name: "features", type: () => RuntimeFeatures as never, optional: true },
]);

export type ImageFsInfoRequest = Record<never, never>;
export const ImageFsInfoRequest: MessageType<ImageFsInfoRequest> = new MessageType("runtime.v1.ImageFsInfoRequest", () => [
]);

export interface UInt64Value {
  value: number;
}
export const UInt64Value: MessageType<UInt64Value> = new MessageType("runtime.v1.UInt64Value", () => [
  { id: 1, name: "value", type: "uint64" },
]);

export interface FilesystemIdentifier {
  mountpoint: string;
}
export const FilesystemIdentifier: MessageType<FilesystemIdentifier> = new MessageType("runtime.v1.FilesystemIdentifier", () => [
  { id: 1, name: "mountpoint", type: "string" },
]);

export interface FilesystemUsage {
  timestamp: bigint;
  fsId?: FilesystemIdentifier | undefined;
  usedBytes?: UInt64Value | undefined;
  inodesUsed?: UInt64Value | undefined;
}
export const FilesystemUsage: MessageType<FilesystemUsage> = new MessageType("runtime.v1.FilesystemUsage", () => [
  { id: 1, name: "timestamp", type: "int64", bigint: true },
  { id: 2, name: "fsId", type: () => FilesystemIdentifier as never, optional: true },
  { id: 3, name: "usedBytes", type: () => UInt64Value as never, optional: true },
  { id: 4, name: "inodesUsed", type: () => UInt64Value as never, optional: true },
]);

export interface WindowsFilesystemUsage {
  timestamp: bigint;
  fsId?: FilesystemIdentifier | undefined;
  usedBytes?: UInt64Value | undefined;
}
export const WindowsFilesystemUsage: MessageType<WindowsFilesystemUsage> = new MessageType("runtime.v1.WindowsFilesystemUsage", () => [
  { id: 1, name: "timestamp", type: "int64", bigint: true },
  { id: 2, name: "fsId", type: () => FilesystemIdentifier as never, optional: true },
  { id: 3, name: "usedBytes", type: () => UInt64Value as never, optional: true },
]);

export interface ImageFsInfoResponse {
  imageFilesystems: FilesystemUsage[];
  containerFilesystems: FilesystemUsage[];
}
export const ImageFsInfoResponse: MessageType<ImageFsInfoResponse> = new MessageType("runtime.v1.ImageFsInfoResponse", () => [
  { id: 1, name: "imageFilesystems", type: () => FilesystemUsage as never, repeated: true },
  { id: 2, name: "containerFilesystems", type: () => FilesystemUsage as never, repeated: true },
]);

export interface ContainerStatsRequest {
  containerId: string;
}
export const ContainerStatsRequest: MessageType<ContainerStatsRequest> = new MessageType("runtime.v1.ContainerStatsRequest", () => [
  { id: 1, name: "containerId", type: "string" },
]);

export interface ContainerStatsResponse {
  stats?: ContainerStats | undefined;
}
export const ContainerStatsResponse: MessageType<ContainerStatsResponse> = new MessageType("runtime.v1.ContainerStatsResponse", () => [
  { id: 1, name: "stats", type: () => ContainerStats as never, optional: true },
]);

export interface ListContainerStatsRequest {
  filter?: ContainerStatsFilter | undefined;
}
export const ListContainerStatsRequest: MessageType<ListContainerStatsRequest> = new MessageType("runtime.v1.ListContainerStatsRequest", () => [
  { id: 1, name: "filter", type: () => ContainerStatsFilter as never, optional: true },
]);

export interface ContainerStatsFilter {
  id: string;
  podSandboxId: string;
  labelSelector: Record<string, string>;
}
export const ContainerStatsFilter: MessageType<ContainerStatsFilter> = new MessageType("runtime.v1.ContainerStatsFilter", () => [
  { id: 1, name: "id", type: "string" },
  { id: 2, name: "podSandboxId", type: "string" },
  { id: 3, name: "labelSelector", type: "string", mapKey: "string" },
]);

export interface ListContainerStatsResponse {
  stats: ContainerStats[];
}
export const ListContainerStatsResponse: MessageType<ListContainerStatsResponse> = new MessageType("runtime.v1.ListContainerStatsResponse", () => [
  { id: 1, name: "stats", type: () => ContainerStats as never, repeated: true },
]);

export interface StreamContainerStatsRequest {
  filter?: ContainerStatsFilter | undefined;
}
export const StreamContainerStatsRequest: MessageType<StreamContainerStatsRequest> = new MessageType("runtime.v1.StreamContainerStatsRequest", () => [
  { id: 1, name: "filter", type: () => ContainerStatsFilter as never, optional: true },
]);

export interface StreamContainerStatsResponse {
  containerStats: ContainerStats[];
}
export const StreamContainerStatsResponse: MessageType<StreamContainerStatsResponse> = new MessageType("runtime.v1.StreamContainerStatsResponse", () => [
  { id: 1, name: "containerStats", type: () => ContainerStats as never, repeated: true },
]);

export interface ContainerAttributes {
  id: string;
  metadata?: ContainerMetadata | undefined;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}
export const ContainerAttributes: MessageType<ContainerAttributes> = new MessageType("runtime.v1.ContainerAttributes", () => [
  { id: 1, name: "id", type: "string" },
  { id: 2, name: "metadata", type: () => ContainerMetadata as never, optional: true },
  { id: 3, name: "labels", type: "string", mapKey: "string" },
  { id: 4, name: "annotations", type: "string", mapKey: "string" },
]);

export interface ContainerStats {
  attributes?: ContainerAttributes | undefined;
  cpu?: CpuUsage | undefined;
  memory?: MemoryUsage | undefined;
  writableLayer?: FilesystemUsage | undefined;
  swap?: SwapUsage | undefined;
  io?: IoUsage | undefined;
}
export const ContainerStats: MessageType<ContainerStats> = new MessageType("runtime.v1.ContainerStats", () => [
  { id: 1, name: "attributes", type: () => ContainerAttributes as never, optional: true },
  { id: 2, name: "cpu", type: () => CpuUsage as never, optional: true },
  { id: 3, name: "memory", type: () => MemoryUsage as never, optional: true },
  { id: 4, name: "writableLayer", type: () => FilesystemUsage as never, optional: true },
  { id: 5, name: "swap", type: () => SwapUsage as never, optional: true },
  { id: 6, name: "io", type: () => IoUsage as never, optional: true },
]);

export interface WindowsContainerStats {
  attributes?: ContainerAttributes | undefined;
  cpu?: WindowsCpuUsage | undefined;
  memory?: WindowsMemoryUsage | undefined;
  writableLayer?: WindowsFilesystemUsage | undefined;
}
export const WindowsContainerStats: MessageType<WindowsContainerStats> = new MessageType("runtime.v1.WindowsContainerStats", () => [
  { id: 1, name: "attributes", type: () => ContainerAttributes as never, optional: true },
  { id: 2, name: "cpu", type: () => WindowsCpuUsage as never, optional: true },
  { id: 3, name: "memory", type: () => WindowsMemoryUsage as never, optional: true },
  { id: 4, name: "writableLayer", type: () => WindowsFilesystemUsage as never, optional: true },
]);

export interface PsiStats {
  Full?: PsiData | undefined;
  Some?: PsiData | undefined;
}
export const PsiStats: MessageType<PsiStats> = new MessageType("runtime.v1.PsiStats", () => [
  { id: 1, name: "Full", type: () => PsiData as never, optional: true },
  { id: 2, name: "Some", type: () => PsiData as never, optional: true },
]);

export interface PsiData {
  Total: number;
  Avg10: number;
  Avg60: number;
  Avg300: number;
}
export const PsiData: MessageType<PsiData> = new MessageType("runtime.v1.PsiData", () => [
  { id: 1, name: "Total", type: "uint64" },
  { id: 2, name: "Avg10", type: "double" },
  { id: 3, name: "Avg60", type: "double" },
  { id: 4, name: "Avg300", type: "double" },
]);

export interface CpuUsage {
  timestamp: bigint;
  usageCoreNanoSeconds?: UInt64Value | undefined;
  usageNanoCores?: UInt64Value | undefined;
  psi?: PsiStats | undefined;
}
export const CpuUsage: MessageType<CpuUsage> = new MessageType("runtime.v1.CpuUsage", () => [
  { id: 1, name: "timestamp", type: "int64", bigint: true },
  { id: 2, name: "usageCoreNanoSeconds", type: () => UInt64Value as never, optional: true },
  { id: 3, name: "usageNanoCores", type: () => UInt64Value as never, optional: true },
  { id: 4, name: "psi", type: () => PsiStats as never, optional: true },
]);

export interface WindowsCpuUsage {
  timestamp: bigint;
  usageCoreNanoSeconds?: UInt64Value | undefined;
  usageNanoCores?: UInt64Value | undefined;
}
export const WindowsCpuUsage: MessageType<WindowsCpuUsage> = new MessageType("runtime.v1.WindowsCpuUsage", () => [
  { id: 1, name: "timestamp", type: "int64", bigint: true },
  { id: 2, name: "usageCoreNanoSeconds", type: () => UInt64Value as never, optional: true },
  { id: 3, name: "usageNanoCores", type: () => UInt64Value as never, optional: true },
]);

export interface MemoryUsage {
  timestamp: bigint;
  workingSetBytes?: UInt64Value | undefined;
  availableBytes?: UInt64Value | undefined;
  usageBytes?: UInt64Value | undefined;
  rssBytes?: UInt64Value | undefined;
  pageFaults?: UInt64Value | undefined;
  majorPageFaults?: UInt64Value | undefined;
  psi?: PsiStats | undefined;
}
export const MemoryUsage: MessageType<MemoryUsage> = new MessageType("runtime.v1.MemoryUsage", () => [
  { id: 1, name: "timestamp", type: "int64", bigint: true },
  { id: 2, name: "workingSetBytes", type: () => UInt64Value as never, optional: true },
  { id: 3, name: "availableBytes", type: () => UInt64Value as never, optional: true },
  { id: 4, name: "usageBytes", type: () => UInt64Value as never, optional: true },
  { id: 5, name: "rssBytes", type: () => UInt64Value as never, optional: true },
  { id: 6, name: "pageFaults", type: () => UInt64Value as never, optional: true },
  { id: 7, name: "majorPageFaults", type: () => UInt64Value as never, optional: true },
  { id: 8, name: "psi", type: () => PsiStats as never, optional: true },
]);

export interface IoUsage {
  timestamp: bigint;
  psi?: PsiStats | undefined;
}
export const IoUsage: MessageType<IoUsage> = new MessageType("runtime.v1.IoUsage", () => [
  { id: 1, name: "timestamp", type: "int64", bigint: true },
  { id: 2, name: "psi", type: () => PsiStats as never, optional: true },
]);

export interface SwapUsage {
  timestamp: bigint;
  swapAvailableBytes?: UInt64Value | undefined;
  swapUsageBytes?: UInt64Value | undefined;
}
export const SwapUsage: MessageType<SwapUsage> = new MessageType("runtime.v1.SwapUsage", () => [
  { id: 1, name: "timestamp", type: "int64", bigint: true },
  { id: 2, name: "swapAvailableBytes", type: () => UInt64Value as never, optional: true },
  { id: 3, name: "swapUsageBytes", type: () => UInt64Value as never, optional: true },
]);

export interface WindowsMemoryUsage {
  timestamp: bigint;
  workingSetBytes?: UInt64Value | undefined;
  availableBytes?: UInt64Value | undefined;
  pageFaults?: UInt64Value | undefined;
  commitMemoryBytes?: UInt64Value | undefined;
}
export const WindowsMemoryUsage: MessageType<WindowsMemoryUsage> = new MessageType("runtime.v1.WindowsMemoryUsage", () => [
  { id: 1, name: "timestamp", type: "int64", bigint: true },
  { id: 2, name: "workingSetBytes", type: () => UInt64Value as never, optional: true },
  { id: 3, name: "availableBytes", type: () => UInt64Value as never, optional: true },
  { id: 4, name: "pageFaults", type: () => UInt64Value as never, optional: true },
  { id: 5, name: "commitMemoryBytes", type: () => UInt64Value as never, optional: true },
]);

export interface ReopenContainerLogRequest {
  containerId: string;
}
export const ReopenContainerLogRequest: MessageType<ReopenContainerLogRequest> = new MessageType("runtime.v1.ReopenContainerLogRequest", () => [
  { id: 1, name: "containerId", type: "string" },
]);

export type ReopenContainerLogResponse = Record<never, never>;
export const ReopenContainerLogResponse: MessageType<ReopenContainerLogResponse> = new MessageType("runtime.v1.ReopenContainerLogResponse", () => [
]);

export interface CheckpointContainerRequest {
  containerId: string;
  location: string;
  timeout: number;
}
export const CheckpointContainerRequest: MessageType<CheckpointContainerRequest> = new MessageType("runtime.v1.CheckpointContainerRequest", () => [
  { id: 1, name: "containerId", type: "string" },
  { id: 2, name: "location", type: "string" },
  { id: 3, name: "timeout", type: "int64" },
]);

export type CheckpointContainerResponse = Record<never, never>;
export const CheckpointContainerResponse: MessageType<CheckpointContainerResponse> = new MessageType("runtime.v1.CheckpointContainerResponse", () => [
]);

export type GetEventsRequest = Record<never, never>;
export const GetEventsRequest: MessageType<GetEventsRequest> = new MessageType("runtime.v1.GetEventsRequest", () => [
]);

export interface ContainerEventResponse {
  containerId: string;
  containerEventType: ContainerEventType;
  createdAt: bigint;
  podSandboxStatus?: PodSandboxStatus | undefined;
  containersStatuses: ContainerStatus[];
}
export const ContainerEventResponse: MessageType<ContainerEventResponse> = new MessageType("runtime.v1.ContainerEventResponse", () => [
  { id: 1, name: "containerId", type: "string" },
  { id: 2, name: "containerEventType", type: "int32" },
  { id: 3, name: "createdAt", type: "int64", bigint: true },
  { id: 4, name: "podSandboxStatus", type: () => PodSandboxStatus as never, optional: true },
  { id: 5, name: "containersStatuses", type: () => ContainerStatus as never, repeated: true },
]);

export type ContainerEventType = number;
export const ContainerEventType = {
  CONTAINER_CREATED_EVENT: 0,
  CONTAINER_STARTED_EVENT: 1,
  CONTAINER_STOPPED_EVENT: 2,
  CONTAINER_DELETED_EVENT: 3,
} as const;

export type ListMetricDescriptorsRequest = Record<never, never>;
export const ListMetricDescriptorsRequest: MessageType<ListMetricDescriptorsRequest> = new MessageType("runtime.v1.ListMetricDescriptorsRequest", () => [
]);

export interface ListMetricDescriptorsResponse {
  descriptors: MetricDescriptor[];
}
export const ListMetricDescriptorsResponse: MessageType<ListMetricDescriptorsResponse> = new MessageType("runtime.v1.ListMetricDescriptorsResponse", () => [
  { id: 1, name: "descriptors", type: () => MetricDescriptor as never, repeated: true },
]);

export interface MetricDescriptor {
  name: string;
  help: string;
  labelKeys: string[];
}
export const MetricDescriptor: MessageType<MetricDescriptor> = new MessageType("runtime.v1.MetricDescriptor", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "help", type: "string" },
  { id: 3, name: "labelKeys", type: "string", repeated: true },
]);

export type ListPodSandboxMetricsRequest = Record<never, never>;
export const ListPodSandboxMetricsRequest: MessageType<ListPodSandboxMetricsRequest> = new MessageType("runtime.v1.ListPodSandboxMetricsRequest", () => [
]);

export interface ListPodSandboxMetricsResponse {
  podMetrics: PodSandboxMetrics[];
}
export const ListPodSandboxMetricsResponse: MessageType<ListPodSandboxMetricsResponse> = new MessageType("runtime.v1.ListPodSandboxMetricsResponse", () => [
  { id: 1, name: "podMetrics", type: () => PodSandboxMetrics as never, repeated: true },
]);

export type StreamPodSandboxMetricsRequest = Record<never, never>;
export const StreamPodSandboxMetricsRequest: MessageType<StreamPodSandboxMetricsRequest> = new MessageType("runtime.v1.StreamPodSandboxMetricsRequest", () => [
]);

export interface StreamPodSandboxMetricsResponse {
  podSandboxMetrics: PodSandboxMetrics[];
}
export const StreamPodSandboxMetricsResponse: MessageType<StreamPodSandboxMetricsResponse> = new MessageType("runtime.v1.StreamPodSandboxMetricsResponse", () => [
  { id: 1, name: "podSandboxMetrics", type: () => PodSandboxMetrics as never, repeated: true },
]);

export interface PodSandboxMetrics {
  podSandboxId: string;
  metrics: Metric[];
  containerMetrics: ContainerMetrics[];
}
export const PodSandboxMetrics: MessageType<PodSandboxMetrics> = new MessageType("runtime.v1.PodSandboxMetrics", () => [
  { id: 1, name: "podSandboxId", type: "string" },
  { id: 2, name: "metrics", type: () => Metric as never, repeated: true },
  { id: 3, name: "containerMetrics", type: () => ContainerMetrics as never, repeated: true },
]);

export interface ContainerMetrics {
  containerId: string;
  metrics: Metric[];
}
export const ContainerMetrics: MessageType<ContainerMetrics> = new MessageType("runtime.v1.ContainerMetrics", () => [
  { id: 1, name: "containerId", type: "string" },
  { id: 2, name: "metrics", type: () => Metric as never, repeated: true },
]);

export interface Metric {
  name: string;
  timestamp: bigint;
  metricType: MetricType;
  labelValues: string[];
  value?: UInt64Value | undefined;
}
export const Metric: MessageType<Metric> = new MessageType("runtime.v1.Metric", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "timestamp", type: "int64", bigint: true },
  { id: 3, name: "metricType", type: "int32" },
  { id: 4, name: "labelValues", type: "string", repeated: true },
  { id: 5, name: "value", type: () => UInt64Value as never, optional: true },
]);

export type MetricType = number;
export const MetricType = {
  COUNTER: 0,
  GAUGE: 1,
} as const;

export type RuntimeConfigRequest = Record<never, never>;
export const RuntimeConfigRequest: MessageType<RuntimeConfigRequest> = new MessageType("runtime.v1.RuntimeConfigRequest", () => [
]);

export interface RuntimeConfigResponse {
  linux?: LinuxRuntimeConfiguration | undefined;
}
export const RuntimeConfigResponse: MessageType<RuntimeConfigResponse> = new MessageType("runtime.v1.RuntimeConfigResponse", () => [
  { id: 1, name: "linux", type: () => LinuxRuntimeConfiguration as never, optional: true },
]);

export interface LinuxRuntimeConfiguration {
  cgroupDriver: CgroupDriver;
}
export const LinuxRuntimeConfiguration: MessageType<LinuxRuntimeConfiguration> = new MessageType("runtime.v1.LinuxRuntimeConfiguration", () => [
  { id: 1, name: "cgroupDriver", type: "int32" },
]);

export type CgroupDriver = number;
export const CgroupDriver = {
  SYSTEMD: 0,
  CGROUPFS: 1,
} as const;

export interface UpdatePodSandboxResourcesRequest {
  podSandboxId: string;
  overhead?: LinuxContainerResources | undefined;
  resources?: LinuxContainerResources | undefined;
}
export const UpdatePodSandboxResourcesRequest: MessageType<UpdatePodSandboxResourcesRequest> = new MessageType("runtime.v1.UpdatePodSandboxResourcesRequest", () => [
  { id: 1, name: "podSandboxId", type: "string" },
  { id: 2, name: "overhead", type: () => LinuxContainerResources as never, optional: true },
  { id: 3, name: "resources", type: () => LinuxContainerResources as never, optional: true },
]);

export type UpdatePodSandboxResourcesResponse = Record<never, never>;
export const UpdatePodSandboxResourcesResponse: MessageType<UpdatePodSandboxResourcesResponse> = new MessageType("runtime.v1.UpdatePodSandboxResourcesResponse", () => [
]);

export interface RuntimeServiceMethods {
  version: Unary<VersionRequest, VersionResponse>;
  runPodSandbox: Unary<RunPodSandboxRequest, RunPodSandboxResponse>;
  stopPodSandbox: Unary<StopPodSandboxRequest, StopPodSandboxResponse>;
  removePodSandbox: Unary<RemovePodSandboxRequest, RemovePodSandboxResponse>;
  podSandboxStatus: Unary<PodSandboxStatusRequest, PodSandboxStatusResponse>;
  listPodSandbox: Unary<ListPodSandboxRequest, ListPodSandboxResponse>;
  streamPodSandboxes: ServerStream<StreamPodSandboxesRequest, StreamPodSandboxesResponse>;
  createContainer: Unary<CreateContainerRequest, CreateContainerResponse>;
  startContainer: Unary<StartContainerRequest, StartContainerResponse>;
  stopContainer: Unary<StopContainerRequest, StopContainerResponse>;
  removeContainer: Unary<RemoveContainerRequest, RemoveContainerResponse>;
  listContainers: Unary<ListContainersRequest, ListContainersResponse>;
  streamContainers: ServerStream<StreamContainersRequest, StreamContainersResponse>;
  containerStatus: Unary<ContainerStatusRequest, ContainerStatusResponse>;
  updateContainerResources: Unary<UpdateContainerResourcesRequest, UpdateContainerResourcesResponse>;
  reopenContainerLog: Unary<ReopenContainerLogRequest, ReopenContainerLogResponse>;
  execSync: Unary<ExecSyncRequest, ExecSyncResponse>;
  exec: Unary<ExecRequest, ExecResponse>;
  attach: Unary<AttachRequest, AttachResponse>;
  portForward: Unary<PortForwardRequest, PortForwardResponse>;
  containerStats: Unary<ContainerStatsRequest, ContainerStatsResponse>;
  listContainerStats: Unary<ListContainerStatsRequest, ListContainerStatsResponse>;
  streamContainerStats: ServerStream<StreamContainerStatsRequest, StreamContainerStatsResponse>;
  podSandboxStats: Unary<PodSandboxStatsRequest, PodSandboxStatsResponse>;
  listPodSandboxStats: Unary<ListPodSandboxStatsRequest, ListPodSandboxStatsResponse>;
  streamPodSandboxStats: ServerStream<StreamPodSandboxStatsRequest, StreamPodSandboxStatsResponse>;
  updateRuntimeConfig: Unary<UpdateRuntimeConfigRequest, UpdateRuntimeConfigResponse>;
  status: Unary<StatusRequest, StatusResponse>;
  checkpointContainer: Unary<CheckpointContainerRequest, CheckpointContainerResponse>;
  getContainerEvents: ServerStream<GetEventsRequest, ContainerEventResponse>;
  listMetricDescriptors: Unary<ListMetricDescriptorsRequest, ListMetricDescriptorsResponse>;
  listPodSandboxMetrics: Unary<ListPodSandboxMetricsRequest, ListPodSandboxMetricsResponse>;
  streamPodSandboxMetrics: ServerStream<StreamPodSandboxMetricsRequest, StreamPodSandboxMetricsResponse>;
  runtimeConfig: Unary<RuntimeConfigRequest, RuntimeConfigResponse>;
  updatePodSandboxResources: Unary<UpdatePodSandboxResourcesRequest, UpdatePodSandboxResourcesResponse>;
}
export const RuntimeService = {
  fullName: "runtime.v1.RuntimeService",
  methods: {
    version: {
      name: "Version",
      request: VersionRequest,
      response: VersionResponse,
      clientStream: false,
      serverStream: false,
    },
    runPodSandbox: {
      name: "RunPodSandbox",
      request: RunPodSandboxRequest,
      response: RunPodSandboxResponse,
      clientStream: false,
      serverStream: false,
    },
    stopPodSandbox: {
      name: "StopPodSandbox",
      request: StopPodSandboxRequest,
      response: StopPodSandboxResponse,
      clientStream: false,
      serverStream: false,
    },
    removePodSandbox: {
      name: "RemovePodSandbox",
      request: RemovePodSandboxRequest,
      response: RemovePodSandboxResponse,
      clientStream: false,
      serverStream: false,
    },
    podSandboxStatus: {
      name: "PodSandboxStatus",
      request: PodSandboxStatusRequest,
      response: PodSandboxStatusResponse,
      clientStream: false,
      serverStream: false,
    },
    listPodSandbox: {
      name: "ListPodSandbox",
      request: ListPodSandboxRequest,
      response: ListPodSandboxResponse,
      clientStream: false,
      serverStream: false,
    },
    streamPodSandboxes: {
      name: "StreamPodSandboxes",
      request: StreamPodSandboxesRequest,
      response: StreamPodSandboxesResponse,
      clientStream: false,
      serverStream: true,
    },
    createContainer: {
      name: "CreateContainer",
      request: CreateContainerRequest,
      response: CreateContainerResponse,
      clientStream: false,
      serverStream: false,
    },
    startContainer: {
      name: "StartContainer",
      request: StartContainerRequest,
      response: StartContainerResponse,
      clientStream: false,
      serverStream: false,
    },
    stopContainer: {
      name: "StopContainer",
      request: StopContainerRequest,
      response: StopContainerResponse,
      clientStream: false,
      serverStream: false,
    },
    removeContainer: {
      name: "RemoveContainer",
      request: RemoveContainerRequest,
      response: RemoveContainerResponse,
      clientStream: false,
      serverStream: false,
    },
    listContainers: {
      name: "ListContainers",
      request: ListContainersRequest,
      response: ListContainersResponse,
      clientStream: false,
      serverStream: false,
    },
    streamContainers: {
      name: "StreamContainers",
      request: StreamContainersRequest,
      response: StreamContainersResponse,
      clientStream: false,
      serverStream: true,
    },
    containerStatus: {
      name: "ContainerStatus",
      request: ContainerStatusRequest,
      response: ContainerStatusResponse,
      clientStream: false,
      serverStream: false,
    },
    updateContainerResources: {
      name: "UpdateContainerResources",
      request: UpdateContainerResourcesRequest,
      response: UpdateContainerResourcesResponse,
      clientStream: false,
      serverStream: false,
    },
    reopenContainerLog: {
      name: "ReopenContainerLog",
      request: ReopenContainerLogRequest,
      response: ReopenContainerLogResponse,
      clientStream: false,
      serverStream: false,
    },
    execSync: {
      name: "ExecSync",
      request: ExecSyncRequest,
      response: ExecSyncResponse,
      clientStream: false,
      serverStream: false,
    },
    exec: {
      name: "Exec",
      request: ExecRequest,
      response: ExecResponse,
      clientStream: false,
      serverStream: false,
    },
    attach: {
      name: "Attach",
      request: AttachRequest,
      response: AttachResponse,
      clientStream: false,
      serverStream: false,
    },
    portForward: {
      name: "PortForward",
      request: PortForwardRequest,
      response: PortForwardResponse,
      clientStream: false,
      serverStream: false,
    },
    containerStats: {
      name: "ContainerStats",
      request: ContainerStatsRequest,
      response: ContainerStatsResponse,
      clientStream: false,
      serverStream: false,
    },
    listContainerStats: {
      name: "ListContainerStats",
      request: ListContainerStatsRequest,
      response: ListContainerStatsResponse,
      clientStream: false,
      serverStream: false,
    },
    streamContainerStats: {
      name: "StreamContainerStats",
      request: StreamContainerStatsRequest,
      response: StreamContainerStatsResponse,
      clientStream: false,
      serverStream: true,
    },
    podSandboxStats: {
      name: "PodSandboxStats",
      request: PodSandboxStatsRequest,
      response: PodSandboxStatsResponse,
      clientStream: false,
      serverStream: false,
    },
    listPodSandboxStats: {
      name: "ListPodSandboxStats",
      request: ListPodSandboxStatsRequest,
      response: ListPodSandboxStatsResponse,
      clientStream: false,
      serverStream: false,
    },
    streamPodSandboxStats: {
      name: "StreamPodSandboxStats",
      request: StreamPodSandboxStatsRequest,
      response: StreamPodSandboxStatsResponse,
      clientStream: false,
      serverStream: true,
    },
    updateRuntimeConfig: {
      name: "UpdateRuntimeConfig",
      request: UpdateRuntimeConfigRequest,
      response: UpdateRuntimeConfigResponse,
      clientStream: false,
      serverStream: false,
    },
    status: {
      name: "Status",
      request: StatusRequest,
      response: StatusResponse,
      clientStream: false,
      serverStream: false,
    },
    checkpointContainer: {
      name: "CheckpointContainer",
      request: CheckpointContainerRequest,
      response: CheckpointContainerResponse,
      clientStream: false,
      serverStream: false,
    },
    getContainerEvents: {
      name: "GetContainerEvents",
      request: GetEventsRequest,
      response: ContainerEventResponse,
      clientStream: false,
      serverStream: true,
    },
    listMetricDescriptors: {
      name: "ListMetricDescriptors",
      request: ListMetricDescriptorsRequest,
      response: ListMetricDescriptorsResponse,
      clientStream: false,
      serverStream: false,
    },
    listPodSandboxMetrics: {
      name: "ListPodSandboxMetrics",
      request: ListPodSandboxMetricsRequest,
      response: ListPodSandboxMetricsResponse,
      clientStream: false,
      serverStream: false,
    },
    streamPodSandboxMetrics: {
      name: "StreamPodSandboxMetrics",
      request: StreamPodSandboxMetricsRequest,
      response: StreamPodSandboxMetricsResponse,
      clientStream: false,
      serverStream: true,
    },
    runtimeConfig: {
      name: "RuntimeConfig",
      request: RuntimeConfigRequest,
      response: RuntimeConfigResponse,
      clientStream: false,
      serverStream: false,
    },
    updatePodSandboxResources: {
      name: "UpdatePodSandboxResources",
      request: UpdatePodSandboxResourcesRequest,
      response: UpdatePodSandboxResourcesResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<RuntimeServiceMethods>;

export interface ImageServiceMethods {
  listImages: Unary<ListImagesRequest, ListImagesResponse>;
  streamImages: ServerStream<StreamImagesRequest, StreamImagesResponse>;
  imageStatus: Unary<ImageStatusRequest, ImageStatusResponse>;
  pullImage: Unary<PullImageRequest, PullImageResponse>;
  removeImage: Unary<RemoveImageRequest, RemoveImageResponse>;
  imageFsInfo: Unary<ImageFsInfoRequest, ImageFsInfoResponse>;
}
export const ImageService = {
  fullName: "runtime.v1.ImageService",
  methods: {
    listImages: {
      name: "ListImages",
      request: ListImagesRequest,
      response: ListImagesResponse,
      clientStream: false,
      serverStream: false,
    },
    streamImages: {
      name: "StreamImages",
      request: StreamImagesRequest,
      response: StreamImagesResponse,
      clientStream: false,
      serverStream: true,
    },
    imageStatus: {
      name: "ImageStatus",
      request: ImageStatusRequest,
      response: ImageStatusResponse,
      clientStream: false,
      serverStream: false,
    },
    pullImage: {
      name: "PullImage",
      request: PullImageRequest,
      response: PullImageResponse,
      clientStream: false,
      serverStream: false,
    },
    removeImage: {
      name: "RemoveImage",
      request: RemoveImageRequest,
      response: RemoveImageResponse,
      clientStream: false,
      serverStream: false,
    },
    imageFsInfo: {
      name: "ImageFsInfo",
      request: ImageFsInfoRequest,
      response: ImageFsInfoResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<ImageServiceMethods>;
