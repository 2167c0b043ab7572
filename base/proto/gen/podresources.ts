// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.
import { MessageType } from "../codec.ts";
import type { Unary, ServiceTable } from "../service.ts";

export type AllocatableResourcesRequest = Record<never, never>;
export const AllocatableResourcesRequest: MessageType<AllocatableResourcesRequest> = new MessageType("v1.AllocatableResourcesRequest", () => [
]);

export interface AllocatableResourcesResponse {
  devices: ContainerDevices[];
  cpuIds: number[];
  memory: ContainerMemory[];
}
export const AllocatableResourcesResponse: MessageType<AllocatableResourcesResponse> = new MessageType("v1.AllocatableResourcesResponse", () => [
  { id: 1, name: "devices", type: () => ContainerDevices as never, repeated: true },
  { id: 2, name: "cpuIds", type: "int64", repeated: true },
  { id: 3, name: "memory", type: () => ContainerMemory as never, repeated: true },
]);

export type ListPodResourcesRequest = Record<never, never>;
export const ListPodResourcesRequest: MessageType<ListPodResourcesRequest> = new MessageType("v1.ListPodResourcesRequest", () => [
]);

export interface ListPodResourcesResponse {
  podResources: PodResources[];
}
export const ListPodResourcesResponse: MessageType<ListPodResourcesResponse> = new MessageType("v1.ListPodResourcesResponse", () => [
  { id: 1, name: "podResources", type: () => PodResources as never, repeated: true },
]);

export interface PodResources {
  name: string;
  namespace: string;
  containers: ContainerResources[];
}
export const PodResources: MessageType<PodResources> = new MessageType("v1.PodResources", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "namespace", type: "string" },
  { id: 3, name: "containers", type: () => ContainerResources as never, repeated: true },
]);

export interface ContainerResources {
  name: string;
  devices: ContainerDevices[];
  cpuIds: number[];
  memory: ContainerMemory[];
  dynamicResources: DynamicResource[];
}
export const ContainerResources: MessageType<ContainerResources> = new MessageType("v1.ContainerResources", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "devices", type: () => ContainerDevices as never, repeated: true },
  { id: 3, name: "cpuIds", type: "int64", repeated: true },
  { id: 4, name: "memory", type: () => ContainerMemory as never, repeated: true },
  { id: 5, name: "dynamicResources", type: () => DynamicResource as never, repeated: true },
]);

export interface ContainerMemory {
  memoryType: string;
  size: number;
  topology?: TopologyInfo | undefined;
}
export const ContainerMemory: MessageType<ContainerMemory> = new MessageType("v1.ContainerMemory", () => [
  { id: 1, name: "memoryType", type: "string" },
  { id: 2, name: "size", type: "uint64" },
  { id: 3, name: "topology", type: () => TopologyInfo as never, optional: true },
]);

export interface ContainerDevices {
  resourceName: string;
  deviceIds: string[];
  topology?: TopologyInfo | undefined;
}
export const ContainerDevices: MessageType<ContainerDevices> = new MessageType("v1.ContainerDevices", () => [
  { id: 1, name: "resourceName", type: "string" },
  { id: 2, name: "deviceIds", type: "string", repeated: true },
  { id: 3, name: "topology", type: () => TopologyInfo as never, optional: true },
]);

export interface TopologyInfo {
  nodes: NUMANode[];
}
export const TopologyInfo: MessageType<TopologyInfo> = new MessageType("v1.TopologyInfo", () => [
  { id: 1, name: "nodes", type: () => NUMANode as never, repeated: true },
]);

export interface NUMANode {
  ID: number;
}
export const NUMANode: MessageType<NUMANode> = new MessageType("v1.NUMANode", () => [
  { id: 1, name: "ID", type: "int64" },
]);

export interface DynamicResource {
  claimName: string;
  claimNamespace: string;
  claimResources: ClaimResource[];
}
export const DynamicResource: MessageType<DynamicResource> = new MessageType("v1.DynamicResource", () => [
  { id: 2, name: "claimName", type: "string" },
  { id: 3, name: "claimNamespace", type: "string" },
  { id: 4, name: "claimResources", type: () => ClaimResource as never, repeated: true },
]);

export interface ClaimResource {
  cdiDevices: CDIDevice[];
  driverName: string;
  poolName: string;
  deviceName: string;
  shareId?: string | undefined;
}
export const ClaimResource: MessageType<ClaimResource> = new MessageType("v1.ClaimResource", () => [
  { id: 1, name: "cdiDevices", type: () => CDIDevice as never, repeated: true },
  { id: 2, name: "driverName", type: "string" },
  { id: 3, name: "poolName", type: "string" },
  { id: 4, name: "deviceName", type: "string" },
  { id: 5, name: "shareId", type: "string", optional: true },
]);

export interface CDIDevice {
  name: string;
}
export const CDIDevice: MessageType<CDIDevice> = new MessageType("v1.CDIDevice", () => [
  { id: 1, name: "name", type: "string" },
]);

export interface GetPodResourcesRequest {
  podName: string;
  podNamespace: string;
}
export const GetPodResourcesRequest: MessageType<GetPodResourcesRequest> = new MessageType("v1.GetPodResourcesRequest", () => [
  { id: 1, name: "podName", type: "string" },
  { id: 2, name: "podNamespace", type: "string" },
]);

export interface GetPodResourcesResponse {
  podResources?: PodResources | undefined;
}
export const GetPodResourcesResponse: MessageType<GetPodResourcesResponse> = new MessageType("v1.GetPodResourcesResponse", () => [
  { id: 1, name: "podResources", type: () => PodResources as never, optional: true },
]);

export interface PodResourcesListerMethods {
  list: Unary<ListPodResourcesRequest, ListPodResourcesResponse>;
  getAllocatableResources: Unary<AllocatableResourcesRequest, AllocatableResourcesResponse>;
  get: Unary<GetPodResourcesRequest, GetPodResourcesResponse>;
}
export const PodResourcesLister = {
  fullName: "v1.PodResourcesLister",
  methods: {
    list: {
      name: "List",
      request: ListPodResourcesRequest,
      response: ListPodResourcesResponse,
      clientStream: false,
      serverStream: false,
    },
    getAllocatableResources: {
      name: "GetAllocatableResources",
      request: AllocatableResourcesRequest,
      response: AllocatableResourcesResponse,
      clientStream: false,
      serverStream: false,
    },
    get: {
      name: "Get",
      request: GetPodResourcesRequest,
      response: GetPodResourcesResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<PodResourcesListerMethods>;
