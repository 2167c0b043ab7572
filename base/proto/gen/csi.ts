// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.
import { MessageType } from "../codec.ts";
import type { ServerStream, Unary, ServiceTable } from "../service.ts";

export interface Timestamp {
  seconds: number;
  nanos: number;
}
export const Timestamp: MessageType<Timestamp> = new MessageType("google.protobuf.Timestamp", () => [
  { id: 1, name: "seconds", type: "int64" },
  { id: 2, name: "nanos", type: "int32" },
]);

export interface Int64Value {
  value: number;
}
export const Int64Value: MessageType<Int64Value> = new MessageType("google.protobuf.Int64Value", () => [
  { id: 1, name: "value", type: "int64" },
]);

export interface BoolValue {
  value: boolean;
}
export const BoolValue: MessageType<BoolValue> = new MessageType("google.protobuf.BoolValue", () => [
  { id: 1, name: "value", type: "bool" },
]);

export type GetPluginInfoRequest = Record<never, never>;
export const GetPluginInfoRequest: MessageType<GetPluginInfoRequest> = new MessageType("csi.v1.GetPluginInfoRequest", () => [
]);

export interface GetPluginInfoResponse {
  name: string;
  vendorVersion: string;
  manifest: Record<string, string>;
}
export const GetPluginInfoResponse: MessageType<GetPluginInfoResponse> = new MessageType("csi.v1.GetPluginInfoResponse", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "vendorVersion", type: "string" },
  { id: 3, name: "manifest", type: "string", mapKey: "string" },
]);

export type GetPluginCapabilitiesRequest = Record<never, never>;
export const GetPluginCapabilitiesRequest: MessageType<GetPluginCapabilitiesRequest> = new MessageType("csi.v1.GetPluginCapabilitiesRequest", () => [
]);

export interface GetPluginCapabilitiesResponse {
  capabilities: PluginCapability[];
}
export const GetPluginCapabilitiesResponse: MessageType<GetPluginCapabilitiesResponse> = new MessageType("csi.v1.GetPluginCapabilitiesResponse", () => [
  { id: 1, name: "capabilities", type: () => PluginCapability as never, repeated: true },
]);

export interface PluginCapability {
  service?: PluginCapability_Service | undefined;
  volumeExpansion?: PluginCapability_VolumeExpansion | undefined;
}
export const PluginCapability: MessageType<PluginCapability> = new MessageType("csi.v1.PluginCapability", () => [
  { id: 1, name: "service", type: () => PluginCapability_Service as never, optional: true, oneof: "type" },
  { id: 2, name: "volumeExpansion", type: () => PluginCapability_VolumeExpansion as never, optional: true, oneof: "type" },
]);

export interface PluginCapability_Service {
  type: PluginCapability_Service_Type;
}
export const PluginCapability_Service: MessageType<PluginCapability_Service> = new MessageType("csi.v1.PluginCapability.Service", () => [
  { id: 1, name: "type", type: "int32" },
]);

export type PluginCapability_Service_Type = number;
export const PluginCapability_Service_Type = {
  UNKNOWN: 0,
  CONTROLLER_SERVICE: 1,
  VOLUME_ACCESSIBILITY_CONSTRAINTS: 2,
  GROUP_CONTROLLER_SERVICE: 3,
  SNAPSHOT_METADATA_SERVICE: 4,
} as const;

export interface PluginCapability_VolumeExpansion {
  type: PluginCapability_VolumeExpansion_Type;
}
export const PluginCapability_VolumeExpansion: MessageType<PluginCapability_VolumeExpansion> = new MessageType("csi.v1.PluginCapability.VolumeExpansion", () => [
  { id: 1, name: "type", type: "int32" },
]);

export type PluginCapability_VolumeExpansion_Type = number;
export const PluginCapability_VolumeExpansion_Type = {
  UNKNOWN: 0,
  ONLINE: 1,
  OFFLINE: 2,
} as const;

export type ProbeRequest = Record<never, never>;
export const ProbeRequest: MessageType<ProbeRequest> = new MessageType("csi.v1.ProbeRequest", () => [
]);

export interface ProbeResponse {
  ready?: BoolValue | undefined;
}
export const ProbeResponse: MessageType<ProbeResponse> = new MessageType("csi.v1.ProbeResponse", () => [
  { id: 1, name: "ready", type: () => BoolValue as never, optional: true },
]);

export interface CreateVolumeRequest {
  name: string;
  capacityRange?: CapacityRange | undefined;
  volumeCapabilities: VolumeCapability[];
  parameters: Record<string, string>;
  secrets: Record<string, string>;
  volumeContentSource?: VolumeContentSource | undefined;
  accessibilityRequirements?: TopologyRequirement | undefined;
  mutableParameters: Record<string, string>;
}
export const CreateVolumeRequest: MessageType<CreateVolumeRequest> = new MessageType("csi.v1.CreateVolumeRequest", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "capacityRange", type: () => CapacityRange as never, optional: true },
  { id: 3, name: "volumeCapabilities", type: () => VolumeCapability as never, repeated: true },
  { id: 4, name: "parameters", type: "string", mapKey: "string" },
  { id: 5, name: "secrets", type: "string", mapKey: "string" },
  { id: 6, name: "volumeContentSource", type: () => VolumeContentSource as never, optional: true },
  { id: 7, name: "accessibilityRequirements", type: () => TopologyRequirement as never, optional: true },
  { id: 8, name: "mutableParameters", type: "string", mapKey: "string" },
]);

export interface VolumeContentSource {
  snapshot?: VolumeContentSource_SnapshotSource | undefined;
  volume?: VolumeContentSource_VolumeSource | undefined;
}
export const VolumeContentSource: MessageType<VolumeContentSource> = new MessageType("csi.v1.VolumeContentSource", () => [
  { id: 1, name: "snapshot", type: () => VolumeContentSource_SnapshotSource as never, optional: true, oneof: "type" },
  { id: 2, name: "volume", type: () => VolumeContentSource_VolumeSource as never, optional: true, oneof: "type" },
]);

export interface VolumeContentSource_SnapshotSource {
  snapshotId: string;
}
export const VolumeContentSource_SnapshotSource: MessageType<VolumeContentSource_SnapshotSource> = new MessageType("csi.v1.VolumeContentSource.SnapshotSource", () => [
  { id: 1, name: "snapshotId", type: "string" },
]);

export interface VolumeContentSource_VolumeSource {
  volumeId: string;
}
export const VolumeContentSource_VolumeSource: MessageType<VolumeContentSource_VolumeSource> = new MessageType("csi.v1.VolumeContentSource.VolumeSource", () => [
  { id: 1, name: "volumeId", type: "string" },
]);

export interface CreateVolumeResponse {
  volume?: Volume | undefined;
}
export const CreateVolumeResponse: MessageType<CreateVolumeResponse> = new MessageType("csi.v1.CreateVolumeResponse", () => [
  { id: 1, name: "volume", type: () => Volume as never, optional: true },
]);

export interface VolumeCapability {
  block?: VolumeCapability_BlockVolume | undefined;
  mount?: VolumeCapability_MountVolume | undefined;
  accessMode?: VolumeCapability_AccessMode | undefined;
}
export const VolumeCapability: MessageType<VolumeCapability> = new MessageType("csi.v1.VolumeCapability", () => [
  { id: 1, name: "block", type: () => VolumeCapability_BlockVolume as never, optional: true, oneof: "access_type" },
  { id: 2, name: "mount", type: () => VolumeCapability_MountVolume as never, optional: true, oneof: "access_type" },
  { id: 3, name: "accessMode", type: () => VolumeCapability_AccessMode as never, optional: true },
]);

export type VolumeCapability_BlockVolume = Record<never, never>;
export const VolumeCapability_BlockVolume: MessageType<VolumeCapability_BlockVolume> = new MessageType("csi.v1.VolumeCapability.BlockVolume", () => [
]);

export interface VolumeCapability_MountVolume {
  fsType: string;
  mountFlags: string[];
  volumeMountGroup: string;
}
export const VolumeCapability_MountVolume: MessageType<VolumeCapability_MountVolume> = new MessageType("csi.v1.VolumeCapability.MountVolume", () => [
  { id: 1, name: "fsType", type: "string" },
  { id: 2, name: "mountFlags", type: "string", repeated: true },
  { id: 3, name: "volumeMountGroup", type: "string" },
]);

export interface VolumeCapability_AccessMode {
  mode: VolumeCapability_AccessMode_Mode;
}
export const VolumeCapability_AccessMode: MessageType<VolumeCapability_AccessMode> = new MessageType("csi.v1.VolumeCapability.AccessMode", () => [
  { id: 1, name: "mode", type: "int32" },
]);

export type VolumeCapability_AccessMode_Mode = number;
export const VolumeCapability_AccessMode_Mode = {
  UNKNOWN: 0,
  SINGLE_NODE_WRITER: 1,
  SINGLE_NODE_READER_ONLY: 2,
  MULTI_NODE_READER_ONLY: 3,
  MULTI_NODE_SINGLE_WRITER: 4,
  MULTI_NODE_MULTI_WRITER: 5,
  SINGLE_NODE_SINGLE_WRITER: 6,
  SINGLE_NODE_MULTI_WRITER: 7,
} as const;

export interface CapacityRange {
  requiredBytes: number;
  limitBytes: number;
}
export const CapacityRange: MessageType<CapacityRange> = new MessageType("csi.v1.CapacityRange", () => [
  { id: 1, name: "requiredBytes", type: "int64" },
  { id: 2, name: "limitBytes", type: "int64" },
]);

export interface Volume {
  capacityBytes: number;
  volumeId: string;
  volumeContext: Record<string, string>;
  contentSource?: VolumeContentSource | undefined;
  accessibleTopology: Topology[];
}
export const Volume: MessageType<Volume> = new MessageType("csi.v1.Volume", () => [
  { id: 1, name: "capacityBytes", type: "int64" },
  { id: 2, name: "volumeId", type: "string" },
  { id: 3, name: "volumeContext", type: "string", mapKey: "string" },
  { id: 4, name: "contentSource", type: () => VolumeContentSource as never, optional: true },
  { id: 5, name: "accessibleTopology", type: () => Topology as never, repeated: true },
]);

export interface TopologyRequirement {
  requisite: Topology[];
  preferred: Topology[];
}
export const TopologyRequirement: MessageType<TopologyRequirement> = new MessageType("csi.v1.TopologyRequirement", () => [
  { id: 1, name: "requisite", type: () => Topology as never, repeated: true },
  { id: 2, name: "preferred", type: () => Topology as never, repeated: true },
]);

export interface Topology {
  segments: Record<string, string>;
}
export const Topology: MessageType<Topology> = new MessageType("csi.v1.Topology", () => [
  { id: 1, name: "segments", type: "string", mapKey: "string" },
]);

export interface DeleteVolumeRequest {
  volumeId: string;
  secrets: Record<string, string>;
}
export const DeleteVolumeRequest: MessageType<DeleteVolumeRequest> = new MessageType("csi.v1.DeleteVolumeRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
  { id: 2, name: "secrets", type: "string", mapKey: "string" },
]);

export type DeleteVolumeResponse = Record<never, never>;
export const DeleteVolumeResponse: MessageType<DeleteVolumeResponse> = new MessageType("csi.v1.DeleteVolumeResponse", () => [
]);

export interface ControllerPublishVolumeRequest {
  volumeId: string;
  nodeId: string;
  volumeCapability?: VolumeCapability | undefined;
  readonly: boolean;
  secrets: Record<string, string>;
  volumeContext: Record<string, string>;
}
export const ControllerPublishVolumeRequest: MessageType<ControllerPublishVolumeRequest> = new MessageType("csi.v1.ControllerPublishVolumeRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
  { id: 2, name: "nodeId", type: "string" },
  { id: 3, name: "volumeCapability", type: () => VolumeCapability as never, optional: true },
  { id: 4, name: "readonly", type: "bool" },
  { id: 5, name: "secrets", type: "string", mapKey: "string" },
  { id: 6, name: "volumeContext", type: "string", mapKey: "string" },
]);

export interface ControllerPublishVolumeResponse {
  publishContext: Record<string, string>;
}
export const ControllerPublishVolumeResponse: MessageType<ControllerPublishVolumeResponse> = new MessageType("csi.v1.ControllerPublishVolumeResponse", () => [
  { id: 1, name: "publishContext", type: "string", mapKey: "string" },
]);

export interface ControllerUnpublishVolumeRequest {
  volumeId: string;
  nodeId: string;
  secrets: Record<string, string>;
}
export const ControllerUnpublishVolumeRequest: MessageType<ControllerUnpublishVolumeRequest> = new MessageType("csi.v1.ControllerUnpublishVolumeRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
  { id: 2, name: "nodeId", type: "string" },
  { id: 3, name: "secrets", type: "string", mapKey: "string" },
]);

export type ControllerUnpublishVolumeResponse = Record<never, never>;
export const ControllerUnpublishVolumeResponse: MessageType<ControllerUnpublishVolumeResponse> = new MessageType("csi.v1.ControllerUnpublishVolumeResponse", () => [
]);

export interface ValidateVolumeCapabilitiesRequest {
  volumeId: string;
  volumeContext: Record<string, string>;
  volumeCapabilities: VolumeCapability[];
  parameters: Record<string, string>;
  secrets: Record<string, string>;
  mutableParameters: Record<string, string>;
}
export const ValidateVolumeCapabilitiesRequest: MessageType<ValidateVolumeCapabilitiesRequest> = new MessageType("csi.v1.ValidateVolumeCapabilitiesRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
  { id: 2, name: "volumeContext", type: "string", mapKey: "string" },
  { id: 3, name: "volumeCapabilities", type: () => VolumeCapability as never, repeated: true },
  { id: 4, name: "parameters", type: "string", mapKey: "string" },
  { id: 5, name: "secrets", type: "string", mapKey: "string" },
  { id: 6, name: "mutableParameters", type: "string", mapKey: "string" },
]);

export interface ValidateVolumeCapabilitiesResponse {
  confirmed?: ValidateVolumeCapabilitiesResponse_Confirmed | undefined;
  message: string;
}
export const ValidateVolumeCapabilitiesResponse: MessageType<ValidateVolumeCapabilitiesResponse> = new MessageType("csi.v1.ValidateVolumeCapabilitiesResponse", () => [
  { id: 1, name: "confirmed", type: () => ValidateVolumeCapabilitiesResponse_Confirmed as never, optional: true },
  { id: 2, name: "message", type: "string" },
]);

export interface ValidateVolumeCapabilitiesResponse_Confirmed {
  volumeContext: Record<string, string>;
  volumeCapabilities: VolumeCapability[];
  parameters: Record<string, string>;
  mutableParameters: Record<string, string>;
}
export const ValidateVolumeCapabilitiesResponse_Confirmed: MessageType<ValidateVolumeCapabilitiesResponse_Confirmed> = new MessageType("csi.v1.ValidateVolumeCapabilitiesResponse.Confirmed", () => [
  { id: 1, name: "volumeContext", type: "string", mapKey: "string" },
  { id: 2, name: "volumeCapabilities", type: () => VolumeCapability as never, repeated: true },
  { id: 3, name: "parameters", type: "string", mapKey: "string" },
  { id: 4, name: "mutableParameters", type: "string", mapKey: "string" },
]);

export interface ListVolumesRequest {
  maxEntries: number;
  startingToken: string;
}
export const ListVolumesRequest: MessageType<ListVolumesRequest> = new MessageType("csi.v1.ListVolumesRequest", () => [
  { id: 1, name: "maxEntries", type: "int32" },
  { id: 2, name: "startingToken", type: "string" },
]);

export interface ListVolumesResponse {
  entries: ListVolumesResponse_Entry[];
  nextToken: string;
}
export const ListVolumesResponse: MessageType<ListVolumesResponse> = new MessageType("csi.v1.ListVolumesResponse", () => [
  { id: 1, name: "entries", type: () => ListVolumesResponse_Entry as never, repeated: true },
  { id: 2, name: "nextToken", type: "string" },
]);

export interface ListVolumesResponse_VolumeStatus {
  publishedNodeIds: string[];
  volumeCondition?: VolumeCondition | undefined;
}
export const ListVolumesResponse_VolumeStatus: MessageType<ListVolumesResponse_VolumeStatus> = new MessageType("csi.v1.ListVolumesResponse.VolumeStatus", () => [
  { id: 1, name: "publishedNodeIds", type: "string", repeated: true },
  { id: 2, name: "volumeCondition", type: () => VolumeCondition as never, optional: true },
]);

export interface ListVolumesResponse_Entry {
  volume?: Volume | undefined;
  status?: ListVolumesResponse_VolumeStatus | undefined;
}
export const ListVolumesResponse_Entry: MessageType<ListVolumesResponse_Entry> = new MessageType("csi.v1.ListVolumesResponse.Entry", () => [
  { id: 1, name: "volume", type: () => Volume as never, optional: true },
  { id: 2, name: "status", type: () => ListVolumesResponse_VolumeStatus as never, optional: true },
]);

export interface ControllerGetVolumeRequest {
  volumeId: string;
}
export const ControllerGetVolumeRequest: MessageType<ControllerGetVolumeRequest> = new MessageType("csi.v1.ControllerGetVolumeRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
]);

export interface ControllerGetVolumeResponse {
  volume?: Volume | undefined;
  status?: ControllerGetVolumeResponse_VolumeStatus | undefined;
}
export const ControllerGetVolumeResponse: MessageType<ControllerGetVolumeResponse> = new MessageType("csi.v1.ControllerGetVolumeResponse", () => [
  { id: 1, name: "volume", type: () => Volume as never, optional: true },
  { id: 2, name: "status", type: () => ControllerGetVolumeResponse_VolumeStatus as never, optional: true },
]);

export interface ControllerGetVolumeResponse_VolumeStatus {
  publishedNodeIds: string[];
  volumeCondition?: VolumeCondition | undefined;
}
export const ControllerGetVolumeResponse_VolumeStatus: MessageType<ControllerGetVolumeResponse_VolumeStatus> = new MessageType("csi.v1.ControllerGetVolumeResponse.VolumeStatus", () => [
  { id: 1, name: "publishedNodeIds", type: "string", repeated: true },
  { id: 2, name: "volumeCondition", type: () => VolumeCondition as never, optional: true },
]);

export interface ControllerModifyVolumeRequest {
  volumeId: string;
  secrets: Record<string, string>;
  mutableParameters: Record<string, string>;
}
export const ControllerModifyVolumeRequest: MessageType<ControllerModifyVolumeRequest> = new MessageType("csi.v1.ControllerModifyVolumeRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
  { id: 2, name: "secrets", type: "string", mapKey: "string" },
  { id: 3, name: "mutableParameters", type: "string", mapKey: "string" },
]);

export type ControllerModifyVolumeResponse = Record<never, never>;
export const ControllerModifyVolumeResponse: MessageType<ControllerModifyVolumeResponse> = new MessageType("csi.v1.ControllerModifyVolumeResponse", () => [
]);

export interface GetCapacityRequest {
  volumeCapabilities: VolumeCapability[];
  parameters: Record<string, string>;
  accessibleTopology?: Topology | undefined;
}
export const GetCapacityRequest: MessageType<GetCapacityRequest> = new MessageType("csi.v1.GetCapacityRequest", () => [
  { id: 1, name: "volumeCapabilities", type: () => VolumeCapability as never, repeated: true },
  { id: 2, name: "parameters", type: "string", mapKey: "string" },
  { id: 3, name: "accessibleTopology", type: () => Topology as never, optional: true },
]);

export interface GetCapacityResponse {
  availableCapacity: number;
  maximumVolumeSize?: Int64Value | undefined;
  minimumVolumeSize?: Int64Value | undefined;
}
export const GetCapacityResponse: MessageType<GetCapacityResponse> = new MessageType("csi.v1.GetCapacityResponse", () => [
  { id: 1, name: "availableCapacity", type: "int64" },
  { id: 2, name: "maximumVolumeSize", type: () => Int64Value as never, optional: true },
  { id: 3, name: "minimumVolumeSize", type: () => Int64Value as never, optional: true },
]);

export type ControllerGetCapabilitiesRequest = Record<never, never>;
export const ControllerGetCapabilitiesRequest: MessageType<ControllerGetCapabilitiesRequest> = new MessageType("csi.v1.ControllerGetCapabilitiesRequest", () => [
]);

export interface ControllerGetCapabilitiesResponse {
  capabilities: ControllerServiceCapability[];
}
export const ControllerGetCapabilitiesResponse: MessageType<ControllerGetCapabilitiesResponse> = new MessageType("csi.v1.ControllerGetCapabilitiesResponse", () => [
  { id: 1, name: "capabilities", type: () => ControllerServiceCapability as never, repeated: true },
]);

export interface ControllerServiceCapability {
  rpc?: ControllerServiceCapability_RPC | undefined;
}
export const ControllerServiceCapability: MessageType<ControllerServiceCapability> = new MessageType("csi.v1.ControllerServiceCapability", () => [
  { id: 1, name: "rpc", type: () => ControllerServiceCapability_RPC as never, optional: true, oneof: "type" },
]);

export interface ControllerServiceCapability_RPC {
  type: ControllerServiceCapability_RPC_Type;
}
export const ControllerServiceCapability_RPC: MessageType<ControllerServiceCapability_RPC> = new MessageType("csi.v1.ControllerServiceCapability.RPC", () => [
  { id: 1, name: "type", type: "int32" },
]);

export type ControllerServiceCapability_RPC_Type = number;
export const ControllerServiceCapability_RPC_Type = {
  UNKNOWN: 0,
  CREATE_DELETE_VOLUME: 1,
  PUBLISH_UNPUBLISH_VOLUME: 2,
  LIST_VOLUMES: 3,
  GET_CAPACITY: 4,
  CREATE_DELETE_SNAPSHOT: 5,
  LIST_SNAPSHOTS: 6,
  CLONE_VOLUME: 7,
  PUBLISH_READONLY: 8,
  EXPAND_VOLUME: 9,
  LIST_VOLUMES_PUBLISHED_NODES: 10,
  VOLUME_CONDITION: 11,
  GET_VOLUME: 12,
  SINGLE_NODE_MULTI_WRITER: 13,
  MODIFY_VOLUME: 14,
  GET_SNAPSHOT: 15,
} as const;

export interface CreateSnapshotRequest {
  sourceVolumeId: string;
  name: string;
  secrets: Record<string, string>;
  parameters: Record<string, string>;
}
export const CreateSnapshotRequest: MessageType<CreateSnapshotRequest> = new MessageType("csi.v1.CreateSnapshotRequest", () => [
  { id: 1, name: "sourceVolumeId", type: "string" },
  { id: 2, name: "name", type: "string" },
  { id: 3, name: "secrets", type: "string", mapKey: "string" },
  { id: 4, name: "parameters", type: "string", mapKey: "string" },
]);

export interface CreateSnapshotResponse {
  snapshot?: Snapshot | undefined;
}
export const CreateSnapshotResponse: MessageType<CreateSnapshotResponse> = new MessageType("csi.v1.CreateSnapshotResponse", () => [
  { id: 1, name: "snapshot", type: () => Snapshot as never, optional: true },
]);

export interface Snapshot {
  sizeBytes: number;
  snapshotId: string;
  sourceVolumeId: string;
  creationTime?: Timestamp | undefined;
  readyToUse: boolean;
  groupSnapshotId: string;
}
export const Snapshot: MessageType<Snapshot> = new MessageType("csi.v1.Snapshot", () => [
  { id: 1, name: "sizeBytes", type: "int64" },
  { id: 2, name: "snapshotId", type: "string" },
  { id: 3, name: "sourceVolumeId", type: "string" },
  { id: 4, name: "creationTime", type: () => Timestamp as never, optional: true },
  { id: 5, name: "readyToUse", type: "bool" },
  { id: 6, name: "groupSnapshotId", type: "string" },
]);

export interface DeleteSnapshotRequest {
  snapshotId: string;
  secrets: Record<string, string>;
}
export const DeleteSnapshotRequest: MessageType<DeleteSnapshotRequest> = new MessageType("csi.v1.DeleteSnapshotRequest", () => [
  { id: 1, name: "snapshotId", type: "string" },
  { id: 2, name: "secrets", type: "string", mapKey: "string" },
]);

export type DeleteSnapshotResponse = Record<never, never>;
export const DeleteSnapshotResponse: MessageType<DeleteSnapshotResponse> = new MessageType("csi.v1.DeleteSnapshotResponse", () => [
]);

export interface ListSnapshotsRequest {
  maxEntries: number;
  startingToken: string;
  sourceVolumeId: string;
  snapshotId: string;
  secrets: Record<string, string>;
}
export const ListSnapshotsRequest: MessageType<ListSnapshotsRequest> = new MessageType("csi.v1.ListSnapshotsRequest", () => [
  { id: 1, name: "maxEntries", type: "int32" },
  { id: 2, name: "startingToken", type: "string" },
  { id: 3, name: "sourceVolumeId", type: "string" },
  { id: 4, name: "snapshotId", type: "string" },
  { id: 5, name: "secrets", type: "string", mapKey: "string" },
]);

export interface ListSnapshotsResponse {
  entries: ListSnapshotsResponse_Entry[];
  nextToken: string;
}
export const ListSnapshotsResponse: MessageType<ListSnapshotsResponse> = new MessageType("csi.v1.ListSnapshotsResponse", () => [
  { id: 1, name: "entries", type: () => ListSnapshotsResponse_Entry as never, repeated: true },
  { id: 2, name: "nextToken", type: "string" },
]);

export interface ListSnapshotsResponse_Entry {
  snapshot?: Snapshot | undefined;
}
export const ListSnapshotsResponse_Entry: MessageType<ListSnapshotsResponse_Entry> = new MessageType("csi.v1.ListSnapshotsResponse.Entry", () => [
  { id: 1, name: "snapshot", type: () => Snapshot as never, optional: true },
]);

export interface GetSnapshotRequest {
  snapshotId: string;
  secrets: Record<string, string>;
}
export const GetSnapshotRequest: MessageType<GetSnapshotRequest> = new MessageType("csi.v1.GetSnapshotRequest", () => [
  { id: 1, name: "snapshotId", type: "string" },
  { id: 2, name: "secrets", type: "string", mapKey: "string" },
]);

export interface GetSnapshotResponse {
  snapshot?: Snapshot | undefined;
}
export const GetSnapshotResponse: MessageType<GetSnapshotResponse> = new MessageType("csi.v1.GetSnapshotResponse", () => [
  { id: 1, name: "snapshot", type: () => Snapshot as never, optional: true },
]);

export interface ControllerExpandVolumeRequest {
  volumeId: string;
  capacityRange?: CapacityRange | undefined;
  secrets: Record<string, string>;
  volumeCapability?: VolumeCapability | undefined;
}
export const ControllerExpandVolumeRequest: MessageType<ControllerExpandVolumeRequest> = new MessageType("csi.v1.ControllerExpandVolumeRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
  { id: 2, name: "capacityRange", type: () => CapacityRange as never, optional: true },
  { id: 3, name: "secrets", type: "string", mapKey: "string" },
  { id: 4, name: "volumeCapability", type: () => VolumeCapability as never, optional: true },
]);

export interface ControllerExpandVolumeResponse {
  capacityBytes: number;
  nodeExpansionRequired: boolean;
}
export const ControllerExpandVolumeResponse: MessageType<ControllerExpandVolumeResponse> = new MessageType("csi.v1.ControllerExpandVolumeResponse", () => [
  { id: 1, name: "capacityBytes", type: "int64" },
  { id: 2, name: "nodeExpansionRequired", type: "bool" },
]);

export interface NodeStageVolumeRequest {
  volumeId: string;
  publishContext: Record<string, string>;
  stagingTargetPath: string;
  volumeCapability?: VolumeCapability | undefined;
  secrets: Record<string, string>;
  volumeContext: Record<string, string>;
}
export const NodeStageVolumeRequest: MessageType<NodeStageVolumeRequest> = new MessageType("csi.v1.NodeStageVolumeRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
  { id: 2, name: "publishContext", type: "string", mapKey: "string" },
  { id: 3, name: "stagingTargetPath", type: "string" },
  { id: 4, name: "volumeCapability", type: () => VolumeCapability as never, optional: true },
  { id: 5, name: "secrets", type: "string", mapKey: "string" },
  { id: 6, name: "volumeContext", type: "string", mapKey: "string" },
]);

export type NodeStageVolumeResponse = Record<never, never>;
export const NodeStageVolumeResponse: MessageType<NodeStageVolumeResponse> = new MessageType("csi.v1.NodeStageVolumeResponse", () => [
]);

export interface NodeUnstageVolumeRequest {
  volumeId: string;
  stagingTargetPath: string;
}
export const NodeUnstageVolumeRequest: MessageType<NodeUnstageVolumeRequest> = new MessageType("csi.v1.NodeUnstageVolumeRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
  { id: 2, name: "stagingTargetPath", type: "string" },
]);

export type NodeUnstageVolumeResponse = Record<never, never>;
export const NodeUnstageVolumeResponse: MessageType<NodeUnstageVolumeResponse> = new MessageType("csi.v1.NodeUnstageVolumeResponse", () => [
]);

export interface NodePublishVolumeRequest {
  volumeId: string;
  publishContext: Record<string, string>;
  stagingTargetPath: string;
  targetPath: string;
  volumeCapability?: VolumeCapability | undefined;
  readonly: boolean;
  secrets: Record<string, string>;
  volumeContext: Record<string, string>;
}
export const NodePublishVolumeRequest: MessageType<NodePublishVolumeRequest> = new MessageType("csi.v1.NodePublishVolumeRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
  { id: 2, name: "publishContext", type: "string", mapKey: "string" },
  { id: 3, name: "stagingTargetPath", type: "string" },
  { id: 4, name: "targetPath", type: "string" },
  { id: 5, name: "volumeCapability", type: () => VolumeCapability as never, optional: true },
  { id: 6, name: "readonly", type: "bool" },
  { id: 7, name: "secrets", type: "string", mapKey: "string" },
  { id: 8, name: "volumeContext", type: "string", mapKey: "string" },
]);

export type NodePublishVolumeResponse = Record<never, never>;
export const NodePublishVolumeResponse: MessageType<NodePublishVolumeResponse> = new MessageType("csi.v1.NodePublishVolumeResponse", () => [
]);

export interface NodeUnpublishVolumeRequest {
  volumeId: string;
  targetPath: string;
}
export const NodeUnpublishVolumeRequest: MessageType<NodeUnpublishVolumeRequest> = new MessageType("csi.v1.NodeUnpublishVolumeRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
  { id: 2, name: "targetPath", type: "string" },
]);

export type NodeUnpublishVolumeResponse = Record<never, never>;
export const NodeUnpublishVolumeResponse: MessageType<NodeUnpublishVolumeResponse> = new MessageType("csi.v1.NodeUnpublishVolumeResponse", () => [
]);

export interface NodeGetVolumeStatsRequest {
  volumeId: string;
  volumePath: string;
  stagingTargetPath: string;
}
export const NodeGetVolumeStatsRequest: MessageType<NodeGetVolumeStatsRequest> = new MessageType("csi.v1.NodeGetVolumeStatsRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
  { id: 2, name: "volumePath", type: "string" },
  { id: 3, name: "stagingTargetPath", type: "string" },
]);

export interface NodeGetVolumeStatsResponse {
  usage: VolumeUsage[];
  volumeCondition?: VolumeCondition | undefined;
}
export const NodeGetVolumeStatsResponse: MessageType<NodeGetVolumeStatsResponse> = new MessageType("csi.v1.NodeGetVolumeStatsResponse", () => [
  { id: 1, name: "usage", type: () => VolumeUsage as never, repeated: true },
  { id: 2, name: "volumeCondition", type: () => VolumeCondition as never, optional: true },
]);

export interface VolumeUsage {
  available: number;
  total: number;
  used: number;
  unit: VolumeUsage_Unit;
}
export const VolumeUsage: MessageType<VolumeUsage> = new MessageType("csi.v1.VolumeUsage", () => [
  { id: 1, name: "available", type: "int64" },
  { id: 2, name: "total", type: "int64" },
  { id: 3, name: "used", type: "int64" },
  { id: 4, name: "unit", type: "int32" },
]);

export type VolumeUsage_Unit = number;
export const VolumeUsage_Unit = {
  UNKNOWN: 0,
  BYTES: 1,
  INODES: 2,
} as const;

export interface VolumeCondition {
  abnormal: boolean;
  message: string;
}
export const VolumeCondition: MessageType<VolumeCondition> = new MessageType("csi.v1.VolumeCondition", () => [
  { id: 1, name: "abnormal", type: "bool" },
  { id: 2, name: "message", type: "string" },
]);

export type NodeGetCapabilitiesRequest = Record<never, never>;
export const NodeGetCapabilitiesRequest: MessageType<NodeGetCapabilitiesRequest> = new MessageType("csi.v1.NodeGetCapabilitiesRequest", () => [
]);

export interface NodeGetCapabilitiesResponse {
  capabilities: NodeServiceCapability[];
}
export const NodeGetCapabilitiesResponse: MessageType<NodeGetCapabilitiesResponse> = new MessageType("csi.v1.NodeGetCapabilitiesResponse", () => [
  { id: 1, name: "capabilities", type: () => NodeServiceCapability as never, repeated: true },
]);

export interface NodeServiceCapability {
  rpc?: NodeServiceCapability_RPC | undefined;
}
export const NodeServiceCapability: MessageType<NodeServiceCapability> = new MessageType("csi.v1.NodeServiceCapability", () => [
  { id: 1, name: "rpc", type: () => NodeServiceCapability_RPC as never, optional: true, oneof: "type" },
]);

export interface NodeServiceCapability_RPC {
  type: NodeServiceCapability_RPC_Type;
}
export const NodeServiceCapability_RPC: MessageType<NodeServiceCapability_RPC> = new MessageType("csi.v1.NodeServiceCapability.RPC", () => [
  { id: 1, name: "type", type: "int32" },
]);

export type NodeServiceCapability_RPC_Type = number;
export const NodeServiceCapability_RPC_Type = {
  UNKNOWN: 0,
  STAGE_UNSTAGE_VOLUME: 1,
  GET_VOLUME_STATS: 2,
  EXPAND_VOLUME: 3,
  VOLUME_CONDITION: 4,
  SINGLE_NODE_MULTI_WRITER: 5,
  VOLUME_MOUNT_GROUP: 6,
} as const;

export type NodeGetInfoRequest = Record<never, never>;
export const NodeGetInfoRequest: MessageType<NodeGetInfoRequest> = new MessageType("csi.v1.NodeGetInfoRequest", () => [
]);

export interface NodeGetInfoResponse {
  nodeId: string;
  maxVolumesPerNode: number;
  accessibleTopology?: Topology | undefined;
}
export const NodeGetInfoResponse: MessageType<NodeGetInfoResponse> = new MessageType("csi.v1.NodeGetInfoResponse", () => [
  { id: 1, name: "nodeId", type: "string" },
  { id: 2, name: "maxVolumesPerNode", type: "int64" },
  { id: 3, name: "accessibleTopology", type: () => Topology as never, optional: true },
]);

export interface NodeExpandVolumeRequest {
  volumeId: string;
  volumePath: string;
  capacityRange?: CapacityRange | undefined;
  stagingTargetPath: string;
  volumeCapability?: VolumeCapability | undefined;
  secrets: Record<string, string>;
}
export const NodeExpandVolumeRequest: MessageType<NodeExpandVolumeRequest> = new MessageType("csi.v1.NodeExpandVolumeRequest", () => [
  { id: 1, name: "volumeId", type: "string" },
  { id: 2, name: "volumePath", type: "string" },
  { id: 3, name: "capacityRange", type: () => CapacityRange as never, optional: true },
  { id: 4, name: "stagingTargetPath", type: "string" },
  { id: 5, name: "volumeCapability", type: () => VolumeCapability as never, optional: true },
  { id: 6, name: "secrets", type: "string", mapKey: "string" },
]);

export interface NodeExpandVolumeResponse {
  capacityBytes: number;
}
export const NodeExpandVolumeResponse: MessageType<NodeExpandVolumeResponse> = new MessageType("csi.v1.NodeExpandVolumeResponse", () => [
  { id: 1, name: "capacityBytes", type: "int64" },
]);

export type GroupControllerGetCapabilitiesRequest = Record<never, never>;
export const GroupControllerGetCapabilitiesRequest: MessageType<GroupControllerGetCapabilitiesRequest> = new MessageType("csi.v1.GroupControllerGetCapabilitiesRequest", () => [
]);

export interface GroupControllerGetCapabilitiesResponse {
  capabilities: GroupControllerServiceCapability[];
}
export const GroupControllerGetCapabilitiesResponse: MessageType<GroupControllerGetCapabilitiesResponse> = new MessageType("csi.v1.GroupControllerGetCapabilitiesResponse", () => [
  { id: 1, name: "capabilities", type: () => GroupControllerServiceCapability as never, repeated: true },
]);

export interface GroupControllerServiceCapability {
  rpc?: GroupControllerServiceCapability_RPC | undefined;
}
export const GroupControllerServiceCapability: MessageType<GroupControllerServiceCapability> = new MessageType("csi.v1.GroupControllerServiceCapability", () => [
  { id: 1, name: "rpc", type: () => GroupControllerServiceCapability_RPC as never, optional: true, oneof: "type" },
]);

export interface GroupControllerServiceCapability_RPC {
  type: GroupControllerServiceCapability_RPC_Type;
}
export const GroupControllerServiceCapability_RPC: MessageType<GroupControllerServiceCapability_RPC> = new MessageType("csi.v1.GroupControllerServiceCapability.RPC", () => [
  { id: 1, name: "type", type: "int32" },
]);

export type GroupControllerServiceCapability_RPC_Type = number;
export const GroupControllerServiceCapability_RPC_Type = {
  UNKNOWN: 0,
  CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT: 1,
} as const;

export interface CreateVolumeGroupSnapshotRequest {
  name: string;
  sourceVolumeIds: string[];
  secrets: Record<string, string>;
  parameters: Record<string, string>;
}
export const CreateVolumeGroupSnapshotRequest: MessageType<CreateVolumeGroupSnapshotRequest> = new MessageType("csi.v1.CreateVolumeGroupSnapshotRequest", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "sourceVolumeIds", type: "string", repeated: true },
  { id: 3, name: "secrets", type: "string", mapKey: "string" },
  { id: 4, name: "parameters", type: "string", mapKey: "string" },
]);

export interface CreateVolumeGroupSnapshotResponse {
  groupSnapshot?: VolumeGroupSnapshot | undefined;
}
export const CreateVolumeGroupSnapshotResponse: MessageType<CreateVolumeGroupSnapshotResponse> = new MessageType("csi.v1.CreateVolumeGroupSnapshotResponse", () => [
  { id: 1, name: "groupSnapshot", type: () => VolumeGroupSnapshot as never, optional: true },
]);

export interface VolumeGroupSnapshot {
  groupSnapshotId: string;
  snapshots: Snapshot[];
  creationTime?: Timestamp | undefined;
  readyToUse: boolean;
}
export const VolumeGroupSnapshot: MessageType<VolumeGroupSnapshot> = new MessageType("csi.v1.VolumeGroupSnapshot", () => [
  { id: 1, name: "groupSnapshotId", type: "string" },
  { id: 2, name: "snapshots", type: () => Snapshot as never, repeated: true },
  { id: 3, name: "creationTime", type: () => Timestamp as never, optional: true },
  { id: 4, name: "readyToUse", type: "bool" },
]);

export interface DeleteVolumeGroupSnapshotRequest {
  groupSnapshotId: string;
  snapshotIds: string[];
  secrets: Record<string, string>;
}
export const DeleteVolumeGroupSnapshotRequest: MessageType<DeleteVolumeGroupSnapshotRequest> = new MessageType("csi.v1.DeleteVolumeGroupSnapshotRequest", () => [
  { id: 1, name: "groupSnapshotId", type: "string" },
  { id: 2, name: "snapshotIds", type: "string", repeated: true },
  { id: 3, name: "secrets", type: "string", mapKey: "string" },
]);

export type DeleteVolumeGroupSnapshotResponse = Record<never, never>;
export const DeleteVolumeGroupSnapshotResponse: MessageType<DeleteVolumeGroupSnapshotResponse> = new MessageType("csi.v1.DeleteVolumeGroupSnapshotResponse", () => [
]);

export interface GetVolumeGroupSnapshotRequest {
  groupSnapshotId: string;
  snapshotIds: string[];
  secrets: Record<string, string>;
}
export const GetVolumeGroupSnapshotRequest: MessageType<GetVolumeGroupSnapshotRequest> = new MessageType("csi.v1.GetVolumeGroupSnapshotRequest", () => [
  { id: 1, name: "groupSnapshotId", type: "string" },
  { id: 2, name: "snapshotIds", type: "string", repeated: true },
  { id: 3, name: "secrets", type: "string", mapKey: "string" },
]);

export interface GetVolumeGroupSnapshotResponse {
  groupSnapshot?: VolumeGroupSnapshot | undefined;
}
export const GetVolumeGroupSnapshotResponse: MessageType<GetVolumeGroupSnapshotResponse> = new MessageType("csi.v1.GetVolumeGroupSnapshotResponse", () => [
  { id: 1, name: "groupSnapshot", type: () => VolumeGroupSnapshot as never, optional: true },
]);

export interface BlockMetadata {
  byteOffset: number;
  sizeBytes: number;
}
export const BlockMetadata: MessageType<BlockMetadata> = new MessageType("csi.v1.BlockMetadata", () => [
  { id: 1, name: "byteOffset", type: "int64" },
  { id: 2, name: "sizeBytes", type: "int64" },
]);

export type BlockMetadataType = number;
export const BlockMetadataType = {
  UNKNOWN: 0,
  FIXED_LENGTH: 1,
  VARIABLE_LENGTH: 2,
} as const;

export interface GetMetadataAllocatedRequest {
  snapshotId: string;
  startingOffset: number;
  maxResults: number;
  secrets: Record<string, string>;
}
export const GetMetadataAllocatedRequest: MessageType<GetMetadataAllocatedRequest> = new MessageType("csi.v1.GetMetadataAllocatedRequest", () => [
  { id: 1, name: "snapshotId", type: "string" },
  { id: 2, name: "startingOffset", type: "int64" },
  { id: 3, name: "maxResults", type: "int32" },
  { id: 4, name: "secrets", type: "string", mapKey: "string" },
]);

export interface GetMetadataAllocatedResponse {
  blockMetadataType: BlockMetadataType;
  volumeCapacityBytes: number;
  blockMetadata: BlockMetadata[];
}
export const GetMetadataAllocatedResponse: MessageType<GetMetadataAllocatedResponse> = new MessageType("csi.v1.GetMetadataAllocatedResponse", () => [
  { id: 1, name: "blockMetadataType", type: "int32" },
  { id: 2, name: "volumeCapacityBytes", type: "int64" },
  { id: 3, name: "blockMetadata", type: () => BlockMetadata as never, repeated: true },
]);

export interface GetMetadataDeltaRequest {
  baseSnapshotId: string;
  targetSnapshotId: string;
  startingOffset: number;
  maxResults: number;
  secrets: Record<string, string>;
}
export const GetMetadataDeltaRequest: MessageType<GetMetadataDeltaRequest> = new MessageType("csi.v1.GetMetadataDeltaRequest", () => [
  { id: 1, name: "baseSnapshotId", type: "string" },
  { id: 2, name: "targetSnapshotId", type: "string" },
  { id: 3, name: "startingOffset", type: "int64" },
  { id: 4, name: "maxResults", type: "int32" },
  { id: 5, name: "secrets", type: "string", mapKey: "string" },
]);

export interface GetMetadataDeltaResponse {
  blockMetadataType: BlockMetadataType;
  volumeCapacityBytes: number;
  blockMetadata: BlockMetadata[];
}
export const GetMetadataDeltaResponse: MessageType<GetMetadataDeltaResponse> = new MessageType("csi.v1.GetMetadataDeltaResponse", () => [
  { id: 1, name: "blockMetadataType", type: "int32" },
  { id: 2, name: "volumeCapacityBytes", type: "int64" },
  { id: 3, name: "blockMetadata", type: () => BlockMetadata as never, repeated: true },
]);

export interface IdentityMethods {
  getPluginInfo: Unary<GetPluginInfoRequest, GetPluginInfoResponse>;
  getPluginCapabilities: Unary<GetPluginCapabilitiesRequest, GetPluginCapabilitiesResponse>;
  probe: Unary<ProbeRequest, ProbeResponse>;
}
export const Identity = {
  fullName: "csi.v1.Identity",
  methods: {
    getPluginInfo: {
      name: "GetPluginInfo",
      request: GetPluginInfoRequest,
      response: GetPluginInfoResponse,
      clientStream: false,
      serverStream: false,
    },
    getPluginCapabilities: {
      name: "GetPluginCapabilities",
      request: GetPluginCapabilitiesRequest,
      response: GetPluginCapabilitiesResponse,
      clientStream: false,
      serverStream: false,
    },
    probe: {
      name: "Probe",
      request: ProbeRequest,
      response: ProbeResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<IdentityMethods>;

export interface ControllerMethods {
  createVolume: Unary<CreateVolumeRequest, CreateVolumeResponse>;
  deleteVolume: Unary<DeleteVolumeRequest, DeleteVolumeResponse>;
  controllerPublishVolume: Unary<ControllerPublishVolumeRequest, ControllerPublishVolumeResponse>;
  controllerUnpublishVolume: Unary<ControllerUnpublishVolumeRequest, ControllerUnpublishVolumeResponse>;
  validateVolumeCapabilities: Unary<ValidateVolumeCapabilitiesRequest, ValidateVolumeCapabilitiesResponse>;
  listVolumes: Unary<ListVolumesRequest, ListVolumesResponse>;
  getCapacity: Unary<GetCapacityRequest, GetCapacityResponse>;
  controllerGetCapabilities: Unary<ControllerGetCapabilitiesRequest, ControllerGetCapabilitiesResponse>;
  createSnapshot: Unary<CreateSnapshotRequest, CreateSnapshotResponse>;
  deleteSnapshot: Unary<DeleteSnapshotRequest, DeleteSnapshotResponse>;
  listSnapshots: Unary<ListSnapshotsRequest, ListSnapshotsResponse>;
  getSnapshot: Unary<GetSnapshotRequest, GetSnapshotResponse>;
  controllerExpandVolume: Unary<ControllerExpandVolumeRequest, ControllerExpandVolumeResponse>;
  controllerGetVolume: Unary<ControllerGetVolumeRequest, ControllerGetVolumeResponse>;
  controllerModifyVolume: Unary<ControllerModifyVolumeRequest, ControllerModifyVolumeResponse>;
}
export const Controller = {
  fullName: "csi.v1.Controller",
  methods: {
    createVolume: {
      name: "CreateVolume",
      request: CreateVolumeRequest,
      response: CreateVolumeResponse,
      clientStream: false,
      serverStream: false,
    },
    deleteVolume: {
      name: "DeleteVolume",
      request: DeleteVolumeRequest,
      response: DeleteVolumeResponse,
      clientStream: false,
      serverStream: false,
    },
    controllerPublishVolume: {
      name: "ControllerPublishVolume",
      request: ControllerPublishVolumeRequest,
      response: ControllerPublishVolumeResponse,
      clientStream: false,
      serverStream: false,
    },
    controllerUnpublishVolume: {
      name: "ControllerUnpublishVolume",
      request: ControllerUnpublishVolumeRequest,
      response: ControllerUnpublishVolumeResponse,
      clientStream: false,
      serverStream: false,
    },
    validateVolumeCapabilities: {
      name: "ValidateVolumeCapabilities",
      request: ValidateVolumeCapabilitiesRequest,
      response: ValidateVolumeCapabilitiesResponse,
      clientStream: false,
      serverStream: false,
    },
    listVolumes: {
      name: "ListVolumes",
      request: ListVolumesRequest,
      response: ListVolumesResponse,
      clientStream: false,
      serverStream: false,
    },
    getCapacity: {
      name: "GetCapacity",
      request: GetCapacityRequest,
      response: GetCapacityResponse,
      clientStream: false,
      serverStream: false,
    },
    controllerGetCapabilities: {
      name: "ControllerGetCapabilities",
      request: ControllerGetCapabilitiesRequest,
      response: ControllerGetCapabilitiesResponse,
      clientStream: false,
      serverStream: false,
    },
    createSnapshot: {
      name: "CreateSnapshot",
      request: CreateSnapshotRequest,
      response: CreateSnapshotResponse,
      clientStream: false,
      serverStream: false,
    },
    deleteSnapshot: {
      name: "DeleteSnapshot",
      request: DeleteSnapshotRequest,
      response: DeleteSnapshotResponse,
      clientStream: false,
      serverStream: false,
    },
    listSnapshots: {
      name: "ListSnapshots",
      request: ListSnapshotsRequest,
      response: ListSnapshotsResponse,
      clientStream: false,
      serverStream: false,
    },
    getSnapshot: {
      name: "GetSnapshot",
      request: GetSnapshotRequest,
      response: GetSnapshotResponse,
      clientStream: false,
      serverStream: false,
    },
    controllerExpandVolume: {
      name: "ControllerExpandVolume",
      request: ControllerExpandVolumeRequest,
      response: ControllerExpandVolumeResponse,
      clientStream: false,
      serverStream: false,
    },
    controllerGetVolume: {
      name: "ControllerGetVolume",
      request: ControllerGetVolumeRequest,
      response: ControllerGetVolumeResponse,
      clientStream: false,
      serverStream: false,
    },
    controllerModifyVolume: {
      name: "ControllerModifyVolume",
      request: ControllerModifyVolumeRequest,
      response: ControllerModifyVolumeResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<ControllerMethods>;

export interface GroupControllerMethods {
  groupControllerGetCapabilities: Unary<GroupControllerGetCapabilitiesRequest, GroupControllerGetCapabilitiesResponse>;
  createVolumeGroupSnapshot: Unary<CreateVolumeGroupSnapshotRequest, CreateVolumeGroupSnapshotResponse>;
  deleteVolumeGroupSnapshot: Unary<DeleteVolumeGroupSnapshotRequest, DeleteVolumeGroupSnapshotResponse>;
  getVolumeGroupSnapshot: Unary<GetVolumeGroupSnapshotRequest, GetVolumeGroupSnapshotResponse>;
}
export const GroupController = {
  fullName: "csi.v1.GroupController",
  methods: {
    groupControllerGetCapabilities: {
      name: "GroupControllerGetCapabilities",
      request: GroupControllerGetCapabilitiesRequest,
      response: GroupControllerGetCapabilitiesResponse,
      clientStream: false,
      serverStream: false,
    },
    createVolumeGroupSnapshot: {
      name: "CreateVolumeGroupSnapshot",
      request: CreateVolumeGroupSnapshotRequest,
      response: CreateVolumeGroupSnapshotResponse,
      clientStream: false,
      serverStream: false,
    },
    deleteVolumeGroupSnapshot: {
      name: "DeleteVolumeGroupSnapshot",
      request: DeleteVolumeGroupSnapshotRequest,
      response: DeleteVolumeGroupSnapshotResponse,
      clientStream: false,
      serverStream: false,
    },
    getVolumeGroupSnapshot: {
      name: "GetVolumeGroupSnapshot",
      request: GetVolumeGroupSnapshotRequest,
      response: GetVolumeGroupSnapshotResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<GroupControllerMethods>;

export interface SnapshotMetadataMethods {
  getMetadataAllocated: ServerStream<GetMetadataAllocatedRequest, GetMetadataAllocatedResponse>;
  getMetadataDelta: ServerStream<GetMetadataDeltaRequest, GetMetadataDeltaResponse>;
}
export const SnapshotMetadata = {
  fullName: "csi.v1.SnapshotMetadata",
  methods: {
    getMetadataAllocated: {
      name: "GetMetadataAllocated",
      request: GetMetadataAllocatedRequest,
      response: GetMetadataAllocatedResponse,
      clientStream: false,
      serverStream: true,
    },
    getMetadataDelta: {
      name: "GetMetadataDelta",
      request: GetMetadataDeltaRequest,
      response: GetMetadataDeltaResponse,
      clientStream: false,
      serverStream: true,
    },
  },
} as unknown as ServiceTable<SnapshotMetadataMethods>;

export interface NodeMethods {
  nodeStageVolume: Unary<NodeStageVolumeRequest, NodeStageVolumeResponse>;
  nodeUnstageVolume: Unary<NodeUnstageVolumeRequest, NodeUnstageVolumeResponse>;
  nodePublishVolume: Unary<NodePublishVolumeRequest, NodePublishVolumeResponse>;
  nodeUnpublishVolume: Unary<NodeUnpublishVolumeRequest, NodeUnpublishVolumeResponse>;
  nodeGetVolumeStats: Unary<NodeGetVolumeStatsRequest, NodeGetVolumeStatsResponse>;
  nodeExpandVolume: Unary<NodeExpandVolumeRequest, NodeExpandVolumeResponse>;
  nodeGetCapabilities: Unary<NodeGetCapabilitiesRequest, NodeGetCapabilitiesResponse>;
  nodeGetInfo: Unary<NodeGetInfoRequest, NodeGetInfoResponse>;
}
export const Node = {
  fullName: "csi.v1.Node",
  methods: {
    nodeStageVolume: {
      name: "NodeStageVolume",
      request: NodeStageVolumeRequest,
      response: NodeStageVolumeResponse,
      clientStream: false,
      serverStream: false,
    },
    nodeUnstageVolume: {
      name: "NodeUnstageVolume",
      request: NodeUnstageVolumeRequest,
      response: NodeUnstageVolumeResponse,
      clientStream: false,
      serverStream: false,
    },
    nodePublishVolume: {
      name: "NodePublishVolume",
      request: NodePublishVolumeRequest,
      response: NodePublishVolumeResponse,
      clientStream: false,
      serverStream: false,
    },
    nodeUnpublishVolume: {
      name: "NodeUnpublishVolume",
      request: NodeUnpublishVolumeRequest,
      response: NodeUnpublishVolumeResponse,
      clientStream: false,
      serverStream: false,
    },
    nodeGetVolumeStats: {
      name: "NodeGetVolumeStats",
      request: NodeGetVolumeStatsRequest,
      response: NodeGetVolumeStatsResponse,
      clientStream: false,
      serverStream: false,
    },
    nodeExpandVolume: {
      name: "NodeExpandVolume",
      request: NodeExpandVolumeRequest,
      response: NodeExpandVolumeResponse,
      clientStream: false,
      serverStream: false,
    },
    nodeGetCapabilities: {
      name: "NodeGetCapabilities",
      request: NodeGetCapabilitiesRequest,
      response: NodeGetCapabilitiesResponse,
      clientStream: false,
      serverStream: false,
    },
    nodeGetInfo: {
      name: "NodeGetInfo",
      request: NodeGetInfoRequest,
      response: NodeGetInfoResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<NodeMethods>;
