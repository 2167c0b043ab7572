// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.
import { MessageType } from "../codec.ts";
import type { ServerStream, Unary, ServiceTable } from "../service.ts";

export interface DevicePluginOptions {
  preStartRequired: boolean;
  getPreferredAllocationAvailable: boolean;
}
export const DevicePluginOptions: MessageType<DevicePluginOptions> = new MessageType("v1beta1.DevicePluginOptions", () => [
  { id: 1, name: "preStartRequired", type: "bool" },
  { id: 2, name: "getPreferredAllocationAvailable", type: "bool" },
]);

export interface RegisterRequest {
  version: string;
  endpoint: string;
  resourceName: string;
  options?: DevicePluginOptions | undefined;
}
export const RegisterRequest: MessageType<RegisterRequest> = new MessageType("v1beta1.RegisterRequest", () => [
  { id: 1, name: "version", type: "string" },
  { id: 2, name: "endpoint", type: "string" },
  { id: 3, name: "resourceName", type: "string" },
  { id: 4, name: "options", type: () => DevicePluginOptions as never, optional: true },
]);

export type Empty = Record<never, never>;
export const Empty: MessageType<Empty> = new MessageType("v1beta1.Empty", () => [
]);

export interface ListAndWatchResponse {
  devices: Device[];
}
export const ListAndWatchResponse: MessageType<ListAndWatchResponse> = new MessageType("v1beta1.ListAndWatchResponse", () => [
  { id: 1, name: "devices", type: () => Device as never, repeated: true },
]);

export interface TopologyInfo {
  nodes: NUMANode[];
}
export const TopologyInfo: MessageType<TopologyInfo> = new MessageType("v1beta1.TopologyInfo", () => [
  { id: 1, name: "nodes", type: () => NUMANode as never, repeated: true },
]);

export interface NUMANode {
  ID: number;
}
export const NUMANode: MessageType<NUMANode> = new MessageType("v1beta1.NUMANode", () => [
  { id: 1, name: "ID", type: "int64" },
]);

export interface Device {
  ID: string;
  health: string;
  topology?: TopologyInfo | undefined;
}
export const Device: MessageType<Device> = new MessageType("v1beta1.Device", () => [
  { id: 1, name: "ID", type: "string" },
  { id: 2, name: "health", type: "string" },
  { id: 3, name: "topology", type: () => TopologyInfo as never, optional: true },
]);

export interface PreStartContainerRequest {
  devicesIds: string[];
}
export const PreStartContainerRequest: MessageType<PreStartContainerRequest> = new MessageType("v1beta1.PreStartContainerRequest", () => [
  { id: 1, name: "devicesIds", type: "string", repeated: true },
]);

export type PreStartContainerResponse = Record<never, never>;
export const PreStartContainerResponse: MessageType<PreStartContainerResponse> = new MessageType("v1beta1.PreStartContainerResponse", () => [
]);

export interface PreferredAllocationRequest {
  containerRequests: ContainerPreferredAllocationRequest[];
}
export const PreferredAllocationRequest: MessageType<PreferredAllocationRequest> = new MessageType("v1beta1.PreferredAllocationRequest", () => [
  { id: 1, name: "containerRequests", type: () => ContainerPreferredAllocationRequest as never, repeated: true },
]);

export interface ContainerPreferredAllocationRequest {
  availableDeviceIDs: string[];
  mustIncludeDeviceIDs: string[];
  allocationSize: number;
}
export const ContainerPreferredAllocationRequest: MessageType<ContainerPreferredAllocationRequest> = new MessageType("v1beta1.ContainerPreferredAllocationRequest", () => [
  { id: 1, name: "availableDeviceIDs", type: "string", repeated: true },
  { id: 2, name: "mustIncludeDeviceIDs", type: "string", repeated: true },
  { id: 3, name: "allocationSize", type: "int32" },
]);

export interface PreferredAllocationResponse {
  containerResponses: ContainerPreferredAllocationResponse[];
}
export const PreferredAllocationResponse: MessageType<PreferredAllocationResponse> = new MessageType("v1beta1.PreferredAllocationResponse", () => [
  { id: 1, name: "containerResponses", type: () => ContainerPreferredAllocationResponse as never, repeated: true },
]);

export interface ContainerPreferredAllocationResponse {
  deviceIDs: string[];
}
export const ContainerPreferredAllocationResponse: MessageType<ContainerPreferredAllocationResponse> = new MessageType("v1beta1.ContainerPreferredAllocationResponse", () => [
  { id: 1, name: "deviceIDs", type: "string", repeated: true },
]);

export interface AllocateRequest {
  containerRequests: ContainerAllocateRequest[];
}
export const AllocateRequest: MessageType<AllocateRequest> = new MessageType("v1beta1.AllocateRequest", () => [
  { id: 1, name: "containerRequests", type: () => ContainerAllocateRequest as never, repeated: true },
]);

export interface ContainerAllocateRequest {
  devicesIds: string[];
}
export const ContainerAllocateRequest: MessageType<ContainerAllocateRequest> = new MessageType("v1beta1.ContainerAllocateRequest", () => [
  { id: 1, name: "devicesIds", type: "string", repeated: true },
]);

export interface CDIDevice {
  name: string;
}
export const CDIDevice: MessageType<CDIDevice> = new MessageType("v1beta1.CDIDevice", () => [
  { id: 1, name: "name", type: "string" },
]);

export interface AllocateResponse {
  containerResponses: ContainerAllocateResponse[];
}
export const AllocateResponse: MessageType<AllocateResponse> = new MessageType("v1beta1.AllocateResponse", () => [
  { id: 1, name: "containerResponses", type: () => ContainerAllocateResponse as never, repeated: true },
]);

export interface ContainerAllocateResponse {
  envs: Record<string, string>;
  mounts: Mount[];
  devices: DeviceSpec[];
  annotations: Record<string, string>;
  cdiDevices: CDIDevice[];
}
export const ContainerAllocateResponse: MessageType<ContainerAllocateResponse> = new MessageType("v1beta1.ContainerAllocateResponse", () => [
  { id: 1, name: "envs", type: "string", mapKey: "string" },
  { id: 2, name: "mounts", type: () => Mount as never, repeated: true },
  { id: 3, name: "devices", type: () => DeviceSpec as never, repeated: true },
  { id: 4, name: "annotations", type: "string", mapKey: "string" },
  { id: 5, name: "cdiDevices", type: () => CDIDevice as never, repeated: true },
]);

export interface Mount {
  containerPath: string;
  hostPath: string;
  readOnly: boolean;
}
export const Mount: MessageType<Mount> = new MessageType("v1beta1.Mount", () => [
  { id: 1, name: "containerPath", type: "string" },
  { id: 2, name: "hostPath", type: "string" },
  { id: 3, name: "readOnly", type: "bool" },
]);

export interface DeviceSpec {
  containerPath: string;
  hostPath: string;
  permissions: string;
}
export const DeviceSpec: MessageType<DeviceSpec> = new MessageType("v1beta1.DeviceSpec", () => [
  { id: 1, name: "containerPath", type: "string" },
  { id: 2, name: "hostPath", type: "string" },
  { id: 3, name: "permissions", type: "string" },
]);

export interface RegistrationMethods {
  register: Unary<RegisterRequest, Empty>;
}
export const Registration = {
  fullName: "v1beta1.Registration",
  methods: {
    register: {
      name: "Register",
      request: RegisterRequest,
      response: Empty,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<RegistrationMethods>;

export interface DevicePluginMethods {
  getDevicePluginOptions: Unary<Empty, DevicePluginOptions>;
  listAndWatch: ServerStream<Empty, ListAndWatchResponse>;
  getPreferredAllocation: Unary<PreferredAllocationRequest, PreferredAllocationResponse>;
  allocate: Unary<AllocateRequest, AllocateResponse>;
  preStartContainer: Unary<PreStartContainerRequest, PreStartContainerResponse>;
}
export const DevicePlugin = {
  fullName: "v1beta1.DevicePlugin",
  methods: {
    getDevicePluginOptions: {
      name: "GetDevicePluginOptions",
      request: Empty,
      response: DevicePluginOptions,
      clientStream: false,
      serverStream: false,
    },
    listAndWatch: {
      name: "ListAndWatch",
      request: Empty,
      response: ListAndWatchResponse,
      clientStream: false,
      serverStream: true,
    },
    getPreferredAllocation: {
      name: "GetPreferredAllocation",
      request: PreferredAllocationRequest,
      response: PreferredAllocationResponse,
      clientStream: false,
      serverStream: false,
    },
    allocate: {
      name: "Allocate",
      request: AllocateRequest,
      response: AllocateResponse,
      clientStream: false,
      serverStream: false,
    },
    preStartContainer: {
      name: "PreStartContainer",
      request: PreStartContainerRequest,
      response: PreStartContainerResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<DevicePluginMethods>;
