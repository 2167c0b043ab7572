// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.
import { MessageType } from "../codec.ts";
import type { Bidi, ServerStream, Unary, ServiceTable } from "../service.ts";

export interface KeyValue {
  key: Buffer;
  createRevision: number;
  modRevision: number;
  version: number;
  value: Buffer;
  lease: bigint;
}
export const KeyValue: MessageType<KeyValue> = new MessageType("mvccpb.KeyValue", () => [
  { id: 1, name: "key", type: "bytes" },
  { id: 2, name: "createRevision", type: "int64", original: "create_revision" },
  { id: 3, name: "modRevision", type: "int64", original: "mod_revision" },
  { id: 4, name: "version", type: "int64" },
  { id: 5, name: "value", type: "bytes" },
  { id: 6, name: "lease", type: "int64", bigint: true },
]);

export interface Event {
  type: Event_EventType;
  kv?: KeyValue | undefined;
  prevKv?: KeyValue | undefined;
}
export const Event: MessageType<Event> = new MessageType("mvccpb.Event", () => [
  { id: 1, name: "type", type: "int32", values: () => Event_EventType },
  { id: 2, name: "kv", type: () => KeyValue as never, optional: true },
  { id: 3, name: "prevKv", type: () => KeyValue as never, optional: true, original: "prev_kv" },
]);

export type Event_EventType = number;
export const Event_EventType = {
  PUT: 0,
  DELETE: 1,
} as const;

export interface UserAddOptions {
  noPassword: boolean;
}
export const UserAddOptions: MessageType<UserAddOptions> = new MessageType("authpb.UserAddOptions", () => [
  { id: 1, name: "noPassword", type: "bool", original: "no_password" },
]);

export interface User {
  name: Buffer;
  password: Buffer;
  roles: string[];
  options?: UserAddOptions | undefined;
}
export const User: MessageType<User> = new MessageType("authpb.User", () => [
  { id: 1, name: "name", type: "bytes" },
  { id: 2, name: "password", type: "bytes" },
  { id: 3, name: "roles", type: "string", repeated: true },
  { id: 4, name: "options", type: () => UserAddOptions as never, optional: true },
]);

export interface Permission {
  permType: Permission_Type;
  key: Buffer;
  rangeEnd: Buffer;
}
export const Permission: MessageType<Permission> = new MessageType("authpb.Permission", () => [
  { id: 1, name: "permType", type: "int32", values: () => Permission_Type },
  { id: 2, name: "key", type: "bytes" },
  { id: 3, name: "rangeEnd", type: "bytes", original: "range_end" },
]);

export type Permission_Type = number;
export const Permission_Type = {
  READ: 0,
  WRITE: 1,
  READWRITE: 2,
} as const;

export interface Role {
  name: Buffer;
  keyPermission: Permission[];
}
export const Role: MessageType<Role> = new MessageType("authpb.Role", () => [
  { id: 1, name: "name", type: "bytes" },
  { id: 2, name: "keyPermission", type: () => Permission as never, repeated: true },
]);

export interface ResponseHeader {
  clusterId: bigint;
  memberId: bigint;
  revision: number;
  raftTerm: number;
}
export const ResponseHeader: MessageType<ResponseHeader> = new MessageType("etcdserverpb.ResponseHeader", () => [
  { id: 1, name: "clusterId", type: "uint64", bigint: true, original: "cluster_id" },
  { id: 2, name: "memberId", type: "uint64", bigint: true, original: "member_id" },
  { id: 3, name: "revision", type: "int64" },
  { id: 4, name: "raftTerm", type: "uint64", original: "raft_term" },
]);

export interface RangeRequest {
  key: Buffer;
  rangeEnd: Buffer;
  limit: number;
  revision: number;
  sortOrder: RangeRequest_SortOrder;
  sortTarget: RangeRequest_SortTarget;
  serializable: boolean;
  keysOnly: boolean;
  countOnly: boolean;
  minModRevision: number;
  maxModRevision: number;
  minCreateRevision: number;
  maxCreateRevision: number;
}
export const RangeRequest: MessageType<RangeRequest> = new MessageType("etcdserverpb.RangeRequest", () => [
  { id: 1, name: "key", type: "bytes" },
  { id: 2, name: "rangeEnd", type: "bytes", original: "range_end" },
  { id: 3, name: "limit", type: "int64" },
  { id: 4, name: "revision", type: "int64" },
  { id: 5, name: "sortOrder", type: "int32", original: "sort_order", values: () => RangeRequest_SortOrder },
  { id: 6, name: "sortTarget", type: "int32", original: "sort_target", values: () => RangeRequest_SortTarget },
  { id: 7, name: "serializable", type: "bool" },
  { id: 8, name: "keysOnly", type: "bool", original: "keys_only" },
  { id: 9, name: "countOnly", type: "bool", original: "count_only" },
  { id: 10, name: "minModRevision", type: "int64", original: "min_mod_revision" },
  { id: 11, name: "maxModRevision", type: "int64", original: "max_mod_revision" },
  { id: 12, name: "minCreateRevision", type: "int64", original: "min_create_revision" },
  { id: 13, name: "maxCreateRevision", type: "int64", original: "max_create_revision" },
]);

export type RangeRequest_SortOrder = number;
export const RangeRequest_SortOrder = {
  NONE: 0,
  ASCEND: 1,
  DESCEND: 2,
} as const;

export type RangeRequest_SortTarget = number;
export const RangeRequest_SortTarget = {
  KEY: 0,
  VERSION: 1,
  CREATE: 2,
  MOD: 3,
  VALUE: 4,
} as const;

export interface RangeResponse {
  header?: ResponseHeader | undefined;
  kvs: KeyValue[];
  more: boolean;
  count: number;
}
export const RangeResponse: MessageType<RangeResponse> = new MessageType("etcdserverpb.RangeResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "kvs", type: () => KeyValue as never, repeated: true },
  { id: 3, name: "more", type: "bool" },
  { id: 4, name: "count", type: "int64" },
]);

export interface PutRequest {
  key: Buffer;
  value: Buffer;
  lease: bigint;
  prevKv: boolean;
  ignoreValue: boolean;
  ignoreLease: boolean;
}
export const PutRequest: MessageType<PutRequest> = new MessageType("etcdserverpb.PutRequest", () => [
  { id: 1, name: "key", type: "bytes" },
  { id: 2, name: "value", type: "bytes" },
  { id: 3, name: "lease", type: "int64", bigint: true },
  { id: 4, name: "prevKv", type: "bool", original: "prev_kv" },
  { id: 5, name: "ignoreValue", type: "bool", original: "ignore_value" },
  { id: 6, name: "ignoreLease", type: "bool", original: "ignore_lease" },
]);

export interface PutResponse {
  header?: ResponseHeader | undefined;
  prevKv?: KeyValue | undefined;
}
export const PutResponse: MessageType<PutResponse> = new MessageType("etcdserverpb.PutResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "prevKv", type: () => KeyValue as never, optional: true, original: "prev_kv" },
]);

export interface DeleteRangeRequest {
  key: Buffer;
  rangeEnd: Buffer;
  prevKv: boolean;
}
export const DeleteRangeRequest: MessageType<DeleteRangeRequest> = new MessageType("etcdserverpb.DeleteRangeRequest", () => [
  { id: 1, name: "key", type: "bytes" },
  { id: 2, name: "rangeEnd", type: "bytes", original: "range_end" },
  { id: 3, name: "prevKv", type: "bool", original: "prev_kv" },
]);

export interface DeleteRangeResponse {
  header?: ResponseHeader | undefined;
  deleted: number;
  prevKvs: KeyValue[];
}
export const DeleteRangeResponse: MessageType<DeleteRangeResponse> = new MessageType("etcdserverpb.DeleteRangeResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "deleted", type: "int64" },
  { id: 3, name: "prevKvs", type: () => KeyValue as never, repeated: true, original: "prev_kvs" },
]);

export interface RequestOp {
  requestRange?: RangeRequest | undefined;
  requestPut?: PutRequest | undefined;
  requestDeleteRange?: DeleteRangeRequest | undefined;
  requestTxn?: TxnRequest | undefined;
}
export const RequestOp: MessageType<RequestOp> = new MessageType("etcdserverpb.RequestOp", () => [
  { id: 1, name: "requestRange", type: () => RangeRequest as never, optional: true, oneof: "request", original: "request_range" },
  { id: 2, name: "requestPut", type: () => PutRequest as never, optional: true, oneof: "request", original: "request_put" },
  { id: 3, name: "requestDeleteRange", type: () => DeleteRangeRequest as never, optional: true, oneof: "request", original: "request_delete_range" },
  { id: 4, name: "requestTxn", type: () => TxnRequest as never, optional: true, oneof: "request", original: "request_txn" },
]);

export interface ResponseOp {
  responseRange?: RangeResponse | undefined;
  responsePut?: PutResponse | undefined;
  responseDeleteRange?: DeleteRangeResponse | undefined;
  responseTxn?: TxnResponse | undefined;
}
export const ResponseOp: MessageType<ResponseOp> = new MessageType("etcdserverpb.ResponseOp", () => [
  { id: 1, name: "responseRange", type: () => RangeResponse as never, optional: true, oneof: "response", original: "response_range" },
  { id: 2, name: "responsePut", type: () => PutResponse as never, optional: true, oneof: "response", original: "response_put" },
  { id: 3, name: "responseDeleteRange", type: () => DeleteRangeResponse as never, optional: true, oneof: "response", original: "response_delete_range" },
  { id: 4, name: "responseTxn", type: () => TxnResponse as never, optional: true, oneof: "response", original: "response_txn" },
]);

export interface Compare {
  result: Compare_CompareResult;
  target: Compare_CompareTarget;
  key: Buffer;
  version?: number | undefined;
  createRevision?: number | undefined;
  modRevision?: number | undefined;
  value?: Buffer | undefined;
  lease?: bigint | undefined;
  rangeEnd: Buffer;
}
export const Compare: MessageType<Compare> = new MessageType("etcdserverpb.Compare", () => [
  { id: 1, name: "result", type: "int32", values: () => Compare_CompareResult },
  { id: 2, name: "target", type: "int32", values: () => Compare_CompareTarget },
  { id: 3, name: "key", type: "bytes" },
  { id: 4, name: "version", type: "int64", optional: true, oneof: "target_union" },
  { id: 5, name: "createRevision", type: "int64", optional: true, oneof: "target_union", original: "create_revision" },
  { id: 6, name: "modRevision", type: "int64", optional: true, oneof: "target_union", original: "mod_revision" },
  { id: 7, name: "value", type: "bytes", optional: true, oneof: "target_union" },
  { id: 8, name: "lease", type: "int64", optional: true, oneof: "target_union", bigint: true },
  { id: 64, name: "rangeEnd", type: "bytes", original: "range_end" },
]);

export type Compare_CompareResult = number;
export const Compare_CompareResult = {
  EQUAL: 0,
  GREATER: 1,
  LESS: 2,
  NOT_EQUAL: 3,
} as const;

export type Compare_CompareTarget = number;
export const Compare_CompareTarget = {
  VERSION: 0,
  CREATE: 1,
  MOD: 2,
  VALUE: 3,
  LEASE: 4,
} as const;

export interface TxnRequest {
  compare: Compare[];
  success: RequestOp[];
  failure: RequestOp[];
}
export const TxnRequest: MessageType<TxnRequest> = new MessageType("etcdserverpb.TxnRequest", () => [
  { id: 1, name: "compare", type: () => Compare as never, repeated: true },
  { id: 2, name: "success", type: () => RequestOp as never, repeated: true },
  { id: 3, name: "failure", type: () => RequestOp as never, repeated: true },
]);

export interface TxnResponse {
  header?: ResponseHeader | undefined;
  succeeded: boolean;
  responses: ResponseOp[];
}
export const TxnResponse: MessageType<TxnResponse> = new MessageType("etcdserverpb.TxnResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "succeeded", type: "bool" },
  { id: 3, name: "responses", type: () => ResponseOp as never, repeated: true },
]);

export interface CompactionRequest {
  revision: number;
  physical: boolean;
}
export const CompactionRequest: MessageType<CompactionRequest> = new MessageType("etcdserverpb.CompactionRequest", () => [
  { id: 1, name: "revision", type: "int64" },
  { id: 2, name: "physical", type: "bool" },
]);

export interface CompactionResponse {
  header?: ResponseHeader | undefined;
}
export const CompactionResponse: MessageType<CompactionResponse> = new MessageType("etcdserverpb.CompactionResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export type HashRequest = Record<never, never>;
export const HashRequest: MessageType<HashRequest> = new MessageType("etcdserverpb.HashRequest", () => [
]);

export interface HashKVRequest {
  revision: number;
}
export const HashKVRequest: MessageType<HashKVRequest> = new MessageType("etcdserverpb.HashKVRequest", () => [
  { id: 1, name: "revision", type: "int64" },
]);

export interface HashKVResponse {
  header?: ResponseHeader | undefined;
  hash: number;
  compactRevision: number;
  hashRevision: number;
}
export const HashKVResponse: MessageType<HashKVResponse> = new MessageType("etcdserverpb.HashKVResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "hash", type: "uint32" },
  { id: 3, name: "compactRevision", type: "int64", original: "compact_revision" },
  { id: 4, name: "hashRevision", type: "int64", original: "hash_revision" },
]);

export interface HashResponse {
  header?: ResponseHeader | undefined;
  hash: number;
}
export const HashResponse: MessageType<HashResponse> = new MessageType("etcdserverpb.HashResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "hash", type: "uint32" },
]);

export type SnapshotRequest = Record<never, never>;
export const SnapshotRequest: MessageType<SnapshotRequest> = new MessageType("etcdserverpb.SnapshotRequest", () => [
]);

export interface SnapshotResponse {
  header?: ResponseHeader | undefined;
  remainingBytes: number;
  blob: Buffer;
  version: string;
}
export const SnapshotResponse: MessageType<SnapshotResponse> = new MessageType("etcdserverpb.SnapshotResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "remainingBytes", type: "uint64", original: "remaining_bytes" },
  { id: 3, name: "blob", type: "bytes" },
  { id: 4, name: "version", type: "string" },
]);

export interface WatchRequest {
  createRequest?: WatchCreateRequest | undefined;
  cancelRequest?: WatchCancelRequest | undefined;
  progressRequest?: WatchProgressRequest | undefined;
}
export const WatchRequest: MessageType<WatchRequest> = new MessageType("etcdserverpb.WatchRequest", () => [
  { id: 1, name: "createRequest", type: () => WatchCreateRequest as never, optional: true, oneof: "request_union", original: "create_request" },
  { id: 2, name: "cancelRequest", type: () => WatchCancelRequest as never, optional: true, oneof: "request_union", original: "cancel_request" },
  { id: 3, name: "progressRequest", type: () => WatchProgressRequest as never, optional: true, oneof: "request_union", original: "progress_request" },
]);

export interface WatchCreateRequest {
  key: Buffer;
  rangeEnd: Buffer;
  startRevision: number;
  progressNotify: boolean;
  filters: WatchCreateRequest_FilterType[];
  prevKv: boolean;
  watchId: bigint;
  fragment: boolean;
}
export const WatchCreateRequest: MessageType<WatchCreateRequest> = new MessageType("etcdserverpb.WatchCreateRequest", () => [
  { id: 1, name: "key", type: "bytes" },
  { id: 2, name: "rangeEnd", type: "bytes", original: "range_end" },
  { id: 3, name: "startRevision", type: "int64", original: "start_revision" },
  { id: 4, name: "progressNotify", type: "bool", original: "progress_notify" },
  { id: 5, name: "filters", type: "int32", repeated: true, values: () => WatchCreateRequest_FilterType },
  { id: 6, name: "prevKv", type: "bool", original: "prev_kv" },
  { id: 7, name: "watchId", type: "int64", bigint: true, original: "watch_id" },
  { id: 8, name: "fragment", type: "bool" },
]);

export type WatchCreateRequest_FilterType = number;
export const WatchCreateRequest_FilterType = {
  NOPUT: 0,
  NODELETE: 1,
} as const;

export interface WatchCancelRequest {
  watchId: bigint;
}
export const WatchCancelRequest: MessageType<WatchCancelRequest> = new MessageType("etcdserverpb.WatchCancelRequest", () => [
  { id: 1, name: "watchId", type: "int64", bigint: true, original: "watch_id" },
]);

export type WatchProgressRequest = Record<never, never>;
export const WatchProgressRequest: MessageType<WatchProgressRequest> = new MessageType("etcdserverpb.WatchProgressRequest", () => [
]);

export interface WatchResponse {
  header?: ResponseHeader | undefined;
  watchId: bigint;
  created: boolean;
  canceled: boolean;
  compactRevision: number;
  cancelReason: string;
  fragment: boolean;
  events: Event[];
}
export const WatchResponse: MessageType<WatchResponse> = new MessageType("etcdserverpb.WatchResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "watchId", type: "int64", bigint: true, original: "watch_id" },
  { id: 3, name: "created", type: "bool" },
  { id: 4, name: "canceled", type: "bool" },
  { id: 5, name: "compactRevision", type: "int64", original: "compact_revision" },
  { id: 6, name: "cancelReason", type: "string", original: "cancel_reason" },
  { id: 7, name: "fragment", type: "bool" },
  { id: 11, name: "events", type: () => Event as never, repeated: true },
]);

export interface LeaseGrantRequest {
  TTL: number;
  ID: bigint;
}
export const LeaseGrantRequest: MessageType<LeaseGrantRequest> = new MessageType("etcdserverpb.LeaseGrantRequest", () => [
  { id: 1, name: "TTL", type: "int64" },
  { id: 2, name: "ID", type: "int64", bigint: true },
]);

export interface LeaseGrantResponse {
  header?: ResponseHeader | undefined;
  ID: bigint;
  TTL: number;
  error: string;
}
export const LeaseGrantResponse: MessageType<LeaseGrantResponse> = new MessageType("etcdserverpb.LeaseGrantResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "ID", type: "int64", bigint: true },
  { id: 3, name: "TTL", type: "int64" },
  { id: 4, name: "error", type: "string" },
]);

export interface LeaseRevokeRequest {
  ID: bigint;
}
export const LeaseRevokeRequest: MessageType<LeaseRevokeRequest> = new MessageType("etcdserverpb.LeaseRevokeRequest", () => [
  { id: 1, name: "ID", type: "int64", bigint: true },
]);

export interface LeaseRevokeResponse {
  header?: ResponseHeader | undefined;
}
export const LeaseRevokeResponse: MessageType<LeaseRevokeResponse> = new MessageType("etcdserverpb.LeaseRevokeResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface LeaseCheckpoint {
  ID: bigint;
  remainingTTL: number;
}
export const LeaseCheckpoint: MessageType<LeaseCheckpoint> = new MessageType("etcdserverpb.LeaseCheckpoint", () => [
  { id: 1, name: "ID", type: "int64", bigint: true },
  { id: 2, name: "remainingTTL", type: "int64", original: "remaining_TTL" },
]);

export interface LeaseCheckpointRequest {
  checkpoints: LeaseCheckpoint[];
}
export const LeaseCheckpointRequest: MessageType<LeaseCheckpointRequest> = new MessageType("etcdserverpb.LeaseCheckpointRequest", () => [
  { id: 1, name: "checkpoints", type: () => LeaseCheckpoint as never, repeated: true },
]);

export interface LeaseCheckpointResponse {
  header?: ResponseHeader | undefined;
}
export const LeaseCheckpointResponse: MessageType<LeaseCheckpointResponse> = new MessageType("etcdserverpb.LeaseCheckpointResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface LeaseKeepAliveRequest {
  ID: bigint;
}
export const LeaseKeepAliveRequest: MessageType<LeaseKeepAliveRequest> = new MessageType("etcdserverpb.LeaseKeepAliveRequest", () => [
  { id: 1, name: "ID", type: "int64", bigint: true },
]);

export interface LeaseKeepAliveResponse {
  header?: ResponseHeader | undefined;
  ID: bigint;
  TTL: number;
}
export const LeaseKeepAliveResponse: MessageType<LeaseKeepAliveResponse> = new MessageType("etcdserverpb.LeaseKeepAliveResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "ID", type: "int64", bigint: true },
  { id: 3, name: "TTL", type: "int64" },
]);

export interface LeaseTimeToLiveRequest {
  ID: bigint;
  keys: boolean;
}
export const LeaseTimeToLiveRequest: MessageType<LeaseTimeToLiveRequest> = new MessageType("etcdserverpb.LeaseTimeToLiveRequest", () => [
  { id: 1, name: "ID", type: "int64", bigint: true },
  { id: 2, name: "keys", type: "bool" },
]);

export interface LeaseTimeToLiveResponse {
  header?: ResponseHeader | undefined;
  ID: bigint;
  TTL: number;
  grantedTTL: number;
  keys: Buffer[];
}
export const LeaseTimeToLiveResponse: MessageType<LeaseTimeToLiveResponse> = new MessageType("etcdserverpb.LeaseTimeToLiveResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "ID", type: "int64", bigint: true },
  { id: 3, name: "TTL", type: "int64" },
  { id: 4, name: "grantedTTL", type: "int64" },
  { id: 5, name: "keys", type: "bytes", repeated: true },
]);

export type LeaseLeasesRequest = Record<never, never>;
export const LeaseLeasesRequest: MessageType<LeaseLeasesRequest> = new MessageType("etcdserverpb.LeaseLeasesRequest", () => [
]);

export interface LeaseStatus {
  ID: bigint;
}
export const LeaseStatus: MessageType<LeaseStatus> = new MessageType("etcdserverpb.LeaseStatus", () => [
  { id: 1, name: "ID", type: "int64", bigint: true },
]);

export interface LeaseLeasesResponse {
  header?: ResponseHeader | undefined;
  leases: LeaseStatus[];
}
export const LeaseLeasesResponse: MessageType<LeaseLeasesResponse> = new MessageType("etcdserverpb.LeaseLeasesResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "leases", type: () => LeaseStatus as never, repeated: true },
]);

export interface Member {
  ID: bigint;
  name: string;
  peerURLs: string[];
  clientURLs: string[];
  isLearner: boolean;
}
export const Member: MessageType<Member> = new MessageType("etcdserverpb.Member", () => [
  { id: 1, name: "ID", type: "uint64", bigint: true },
  { id: 2, name: "name", type: "string" },
  { id: 3, name: "peerURLs", type: "string", repeated: true },
  { id: 4, name: "clientURLs", type: "string", repeated: true },
  { id: 5, name: "isLearner", type: "bool" },
]);

export interface MemberAddRequest {
  peerURLs: string[];
  isLearner: boolean;
}
export const MemberAddRequest: MessageType<MemberAddRequest> = new MessageType("etcdserverpb.MemberAddRequest", () => [
  { id: 1, name: "peerURLs", type: "string", repeated: true },
  { id: 2, name: "isLearner", type: "bool" },
]);

export interface MemberAddResponse {
  header?: ResponseHeader | undefined;
  member?: Member | undefined;
  members: Member[];
}
export const MemberAddResponse: MessageType<MemberAddResponse> = new MessageType("etcdserverpb.MemberAddResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "member", type: () => Member as never, optional: true },
  { id: 3, name: "members", type: () => Member as never, repeated: true },
]);

export interface MemberRemoveRequest {
  ID: bigint;
}
export const MemberRemoveRequest: MessageType<MemberRemoveRequest> = new MessageType("etcdserverpb.MemberRemoveRequest", () => [
  { id: 1, name: "ID", type: "uint64", bigint: true },
]);

export interface MemberRemoveResponse {
  header?: ResponseHeader | undefined;
  members: Member[];
}
export const MemberRemoveResponse: MessageType<MemberRemoveResponse> = new MessageType("etcdserverpb.MemberRemoveResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "members", type: () => Member as never, repeated: true },
]);

export interface MemberUpdateRequest {
  ID: bigint;
  peerURLs: string[];
}
export const MemberUpdateRequest: MessageType<MemberUpdateRequest> = new MessageType("etcdserverpb.MemberUpdateRequest", () => [
  { id: 1, name: "ID", type: "uint64", bigint: true },
  { id: 2, name: "peerURLs", type: "string", repeated: true },
]);

export interface MemberUpdateResponse {
  header?: ResponseHeader | undefined;
  members: Member[];
}
export const MemberUpdateResponse: MessageType<MemberUpdateResponse> = new MessageType("etcdserverpb.MemberUpdateResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "members", type: () => Member as never, repeated: true },
]);

export interface MemberListRequest {
  linearizable: boolean;
}
export const MemberListRequest: MessageType<MemberListRequest> = new MessageType("etcdserverpb.MemberListRequest", () => [
  { id: 1, name: "linearizable", type: "bool" },
]);

export interface MemberListResponse {
  header?: ResponseHeader | undefined;
  members: Member[];
}
export const MemberListResponse: MessageType<MemberListResponse> = new MessageType("etcdserverpb.MemberListResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "members", type: () => Member as never, repeated: true },
]);

export interface MemberPromoteRequest {
  ID: bigint;
}
export const MemberPromoteRequest: MessageType<MemberPromoteRequest> = new MessageType("etcdserverpb.MemberPromoteRequest", () => [
  { id: 1, name: "ID", type: "uint64", bigint: true },
]);

export interface MemberPromoteResponse {
  header?: ResponseHeader | undefined;
  members: Member[];
}
export const MemberPromoteResponse: MessageType<MemberPromoteResponse> = new MessageType("etcdserverpb.MemberPromoteResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "members", type: () => Member as never, repeated: true },
]);

export type DefragmentRequest = Record<never, never>;
export const DefragmentRequest: MessageType<DefragmentRequest> = new MessageType("etcdserverpb.DefragmentRequest", () => [
]);

export interface DefragmentResponse {
  header?: ResponseHeader | undefined;
}
export const DefragmentResponse: MessageType<DefragmentResponse> = new MessageType("etcdserverpb.DefragmentResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface MoveLeaderRequest {
  targetID: bigint;
}
export const MoveLeaderRequest: MessageType<MoveLeaderRequest> = new MessageType("etcdserverpb.MoveLeaderRequest", () => [
  { id: 1, name: "targetID", type: "uint64", bigint: true },
]);

export interface MoveLeaderResponse {
  header?: ResponseHeader | undefined;
}
export const MoveLeaderResponse: MessageType<MoveLeaderResponse> = new MessageType("etcdserverpb.MoveLeaderResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export type AlarmType = number;
export const AlarmType = {
  NONE: 0,
  NOSPACE: 1,
  CORRUPT: 2,
} as const;

export interface AlarmRequest {
  action: AlarmRequest_AlarmAction;
  memberID: bigint;
  alarm: AlarmType;
}
export const AlarmRequest: MessageType<AlarmRequest> = new MessageType("etcdserverpb.AlarmRequest", () => [
  { id: 1, name: "action", type: "int32", values: () => AlarmRequest_AlarmAction },
  { id: 2, name: "memberID", type: "uint64", bigint: true },
  { id: 3, name: "alarm", type: "int32", values: () => AlarmType },
]);

export type AlarmRequest_AlarmAction = number;
export const AlarmRequest_AlarmAction = {
  GET: 0,
  ACTIVATE: 1,
  DEACTIVATE: 2,
} as const;

export interface AlarmMember {
  memberID: bigint;
  alarm: AlarmType;
}
export const AlarmMember: MessageType<AlarmMember> = new MessageType("etcdserverpb.AlarmMember", () => [
  { id: 1, name: "memberID", type: "uint64", bigint: true },
  { id: 2, name: "alarm", type: "int32", values: () => AlarmType },
]);

export interface AlarmResponse {
  header?: ResponseHeader | undefined;
  alarms: AlarmMember[];
}
export const AlarmResponse: MessageType<AlarmResponse> = new MessageType("etcdserverpb.AlarmResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "alarms", type: () => AlarmMember as never, repeated: true },
]);

export interface DowngradeRequest {
  action: DowngradeRequest_DowngradeAction;
  version: string;
}
export const DowngradeRequest: MessageType<DowngradeRequest> = new MessageType("etcdserverpb.DowngradeRequest", () => [
  { id: 1, name: "action", type: "int32", values: () => DowngradeRequest_DowngradeAction },
  { id: 2, name: "version", type: "string" },
]);

export type DowngradeRequest_DowngradeAction = number;
export const DowngradeRequest_DowngradeAction = {
  VALIDATE: 0,
  ENABLE: 1,
  CANCEL: 2,
} as const;

export interface DowngradeResponse {
  header?: ResponseHeader | undefined;
  version: string;
}
export const DowngradeResponse: MessageType<DowngradeResponse> = new MessageType("etcdserverpb.DowngradeResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "version", type: "string" },
]);

export interface DowngradeVersionTestRequest {
  ver: string;
}
export const DowngradeVersionTestRequest: MessageType<DowngradeVersionTestRequest> = new MessageType("etcdserverpb.DowngradeVersionTestRequest", () => [
  { id: 1, name: "ver", type: "string" },
]);

export type StatusRequest = Record<never, never>;
export const StatusRequest: MessageType<StatusRequest> = new MessageType("etcdserverpb.StatusRequest", () => [
]);

export interface StatusResponse {
  header?: ResponseHeader | undefined;
  version: string;
  dbSize: number;
  leader: bigint;
  raftIndex: number;
  raftTerm: number;
  raftAppliedIndex: number;
  errors: string[];
  dbSizeInUse: number;
  isLearner: boolean;
  storageVersion: string;
  dbSizeQuota: number;
  downgradeInfo?: DowngradeInfo | undefined;
}
export const StatusResponse: MessageType<StatusResponse> = new MessageType("etcdserverpb.StatusResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "version", type: "string" },
  { id: 3, name: "dbSize", type: "int64" },
  { id: 4, name: "leader", type: "uint64", bigint: true },
  { id: 5, name: "raftIndex", type: "uint64" },
  { id: 6, name: "raftTerm", type: "uint64" },
  { id: 7, name: "raftAppliedIndex", type: "uint64" },
  { id: 8, name: "errors", type: "string", repeated: true },
  { id: 9, name: "dbSizeInUse", type: "int64" },
  { id: 10, name: "isLearner", type: "bool" },
  { id: 11, name: "storageVersion", type: "string" },
  { id: 12, name: "dbSizeQuota", type: "int64" },
  { id: 13, name: "downgradeInfo", type: () => DowngradeInfo as never, optional: true },
]);

export interface DowngradeInfo {
  enabled: boolean;
  targetVersion: string;
}
export const DowngradeInfo: MessageType<DowngradeInfo> = new MessageType("etcdserverpb.DowngradeInfo", () => [
  { id: 1, name: "enabled", type: "bool" },
  { id: 2, name: "targetVersion", type: "string" },
]);

export type AuthEnableRequest = Record<never, never>;
export const AuthEnableRequest: MessageType<AuthEnableRequest> = new MessageType("etcdserverpb.AuthEnableRequest", () => [
]);

export type AuthDisableRequest = Record<never, never>;
export const AuthDisableRequest: MessageType<AuthDisableRequest> = new MessageType("etcdserverpb.AuthDisableRequest", () => [
]);

export type AuthStatusRequest = Record<never, never>;
export const AuthStatusRequest: MessageType<AuthStatusRequest> = new MessageType("etcdserverpb.AuthStatusRequest", () => [
]);

export interface AuthenticateRequest {
  name: string;
  password: string;
}
export const AuthenticateRequest: MessageType<AuthenticateRequest> = new MessageType("etcdserverpb.AuthenticateRequest", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "password", type: "string" },
]);

export interface AuthUserAddRequest {
  name: string;
  password: string;
  options?: UserAddOptions | undefined;
  hashedPassword: string;
}
export const AuthUserAddRequest: MessageType<AuthUserAddRequest> = new MessageType("etcdserverpb.AuthUserAddRequest", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "password", type: "string" },
  { id: 3, name: "options", type: () => UserAddOptions as never, optional: true },
  { id: 4, name: "hashedPassword", type: "string" },
]);

export interface AuthUserGetRequest {
  name: string;
}
export const AuthUserGetRequest: MessageType<AuthUserGetRequest> = new MessageType("etcdserverpb.AuthUserGetRequest", () => [
  { id: 1, name: "name", type: "string" },
]);

export interface AuthUserDeleteRequest {
  name: string;
}
export const AuthUserDeleteRequest: MessageType<AuthUserDeleteRequest> = new MessageType("etcdserverpb.AuthUserDeleteRequest", () => [
  { id: 1, name: "name", type: "string" },
]);

export interface AuthUserChangePasswordRequest {
  name: string;
  password: string;
  hashedPassword: string;
}
export const AuthUserChangePasswordRequest: MessageType<AuthUserChangePasswordRequest> = new MessageType("etcdserverpb.AuthUserChangePasswordRequest", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "password", type: "string" },
  { id: 3, name: "hashedPassword", type: "string" },
]);

export interface AuthUserGrantRoleRequest {
  user: string;
  role: string;
}
export const AuthUserGrantRoleRequest: MessageType<AuthUserGrantRoleRequest> = new MessageType("etcdserverpb.AuthUserGrantRoleRequest", () => [
  { id: 1, name: "user", type: "string" },
  { id: 2, name: "role", type: "string" },
]);

export interface AuthUserRevokeRoleRequest {
  name: string;
  role: string;
}
export const AuthUserRevokeRoleRequest: MessageType<AuthUserRevokeRoleRequest> = new MessageType("etcdserverpb.AuthUserRevokeRoleRequest", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "role", type: "string" },
]);

export interface AuthRoleAddRequest {
  name: string;
}
export const AuthRoleAddRequest: MessageType<AuthRoleAddRequest> = new MessageType("etcdserverpb.AuthRoleAddRequest", () => [
  { id: 1, name: "name", type: "string" },
]);

export interface AuthRoleGetRequest {
  role: string;
}
export const AuthRoleGetRequest: MessageType<AuthRoleGetRequest> = new MessageType("etcdserverpb.AuthRoleGetRequest", () => [
  { id: 1, name: "role", type: "string" },
]);

export type AuthUserListRequest = Record<never, never>;
export const AuthUserListRequest: MessageType<AuthUserListRequest> = new MessageType("etcdserverpb.AuthUserListRequest", () => [
]);

export type AuthRoleListRequest = Record<never, never>;
export const AuthRoleListRequest: MessageType<AuthRoleListRequest> = new MessageType("etcdserverpb.AuthRoleListRequest", () => [
]);

export interface AuthRoleDeleteRequest {
  role: string;
}
export const AuthRoleDeleteRequest: MessageType<AuthRoleDeleteRequest> = new MessageType("etcdserverpb.AuthRoleDeleteRequest", () => [
  { id: 1, name: "role", type: "string" },
]);

export interface AuthRoleGrantPermissionRequest {
  name: string;
  perm?: Permission | undefined;
}
export const AuthRoleGrantPermissionRequest: MessageType<AuthRoleGrantPermissionRequest> = new MessageType("etcdserverpb.AuthRoleGrantPermissionRequest", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "perm", type: () => Permission as never, optional: true },
]);

export interface AuthRoleRevokePermissionRequest {
  role: string;
  key: Buffer;
  rangeEnd: Buffer;
}
export const AuthRoleRevokePermissionRequest: MessageType<AuthRoleRevokePermissionRequest> = new MessageType("etcdserverpb.AuthRoleRevokePermissionRequest", () => [
  { id: 1, name: "role", type: "string" },
  { id: 2, name: "key", type: "bytes" },
  { id: 3, name: "rangeEnd", type: "bytes", original: "range_end" },
]);

export interface AuthEnableResponse {
  header?: ResponseHeader | undefined;
}
export const AuthEnableResponse: MessageType<AuthEnableResponse> = new MessageType("etcdserverpb.AuthEnableResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface AuthDisableResponse {
  header?: ResponseHeader | undefined;
}
export const AuthDisableResponse: MessageType<AuthDisableResponse> = new MessageType("etcdserverpb.AuthDisableResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface AuthStatusResponse {
  header?: ResponseHeader | undefined;
  enabled: boolean;
  authRevision: number;
}
export const AuthStatusResponse: MessageType<AuthStatusResponse> = new MessageType("etcdserverpb.AuthStatusResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "enabled", type: "bool" },
  { id: 3, name: "authRevision", type: "uint64" },
]);

export interface AuthenticateResponse {
  header?: ResponseHeader | undefined;
  token: string;
}
export const AuthenticateResponse: MessageType<AuthenticateResponse> = new MessageType("etcdserverpb.AuthenticateResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "token", type: "string" },
]);

export interface AuthUserAddResponse {
  header?: ResponseHeader | undefined;
}
export const AuthUserAddResponse: MessageType<AuthUserAddResponse> = new MessageType("etcdserverpb.AuthUserAddResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface AuthUserGetResponse {
  header?: ResponseHeader | undefined;
  roles: string[];
}
export const AuthUserGetResponse: MessageType<AuthUserGetResponse> = new MessageType("etcdserverpb.AuthUserGetResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "roles", type: "string", repeated: true },
]);

export interface AuthUserDeleteResponse {
  header?: ResponseHeader | undefined;
}
export const AuthUserDeleteResponse: MessageType<AuthUserDeleteResponse> = new MessageType("etcdserverpb.AuthUserDeleteResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface AuthUserChangePasswordResponse {
  header?: ResponseHeader | undefined;
}
export const AuthUserChangePasswordResponse: MessageType<AuthUserChangePasswordResponse> = new MessageType("etcdserverpb.AuthUserChangePasswordResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface AuthUserGrantRoleResponse {
  header?: ResponseHeader | undefined;
}
export const AuthUserGrantRoleResponse: MessageType<AuthUserGrantRoleResponse> = new MessageType("etcdserverpb.AuthUserGrantRoleResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface AuthUserRevokeRoleResponse {
  header?: ResponseHeader | undefined;
}
export const AuthUserRevokeRoleResponse: MessageType<AuthUserRevokeRoleResponse> = new MessageType("etcdserverpb.AuthUserRevokeRoleResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface AuthRoleAddResponse {
  header?: ResponseHeader | undefined;
}
export const AuthRoleAddResponse: MessageType<AuthRoleAddResponse> = new MessageType("etcdserverpb.AuthRoleAddResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface AuthRoleGetResponse {
  header?: ResponseHeader | undefined;
  perm: Permission[];
}
export const AuthRoleGetResponse: MessageType<AuthRoleGetResponse> = new MessageType("etcdserverpb.AuthRoleGetResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "perm", type: () => Permission as never, repeated: true },
]);

export interface AuthRoleListResponse {
  header?: ResponseHeader | undefined;
  roles: string[];
}
export const AuthRoleListResponse: MessageType<AuthRoleListResponse> = new MessageType("etcdserverpb.AuthRoleListResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "roles", type: "string", repeated: true },
]);

export interface AuthUserListResponse {
  header?: ResponseHeader | undefined;
  users: string[];
}
export const AuthUserListResponse: MessageType<AuthUserListResponse> = new MessageType("etcdserverpb.AuthUserListResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "users", type: "string", repeated: true },
]);

export interface AuthRoleDeleteResponse {
  header?: ResponseHeader | undefined;
}
export const AuthRoleDeleteResponse: MessageType<AuthRoleDeleteResponse> = new MessageType("etcdserverpb.AuthRoleDeleteResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface AuthRoleGrantPermissionResponse {
  header?: ResponseHeader | undefined;
}
export const AuthRoleGrantPermissionResponse: MessageType<AuthRoleGrantPermissionResponse> = new MessageType("etcdserverpb.AuthRoleGrantPermissionResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface AuthRoleRevokePermissionResponse {
  header?: ResponseHeader | undefined;
}
export const AuthRoleRevokePermissionResponse: MessageType<AuthRoleRevokePermissionResponse> = new MessageType("etcdserverpb.AuthRoleRevokePermissionResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface LockRequest {
  name: Buffer;
  lease: bigint;
}
export const LockRequest: MessageType<LockRequest> = new MessageType("v3lockpb.LockRequest", () => [
  { id: 1, name: "name", type: "bytes" },
  { id: 2, name: "lease", type: "int64", bigint: true },
]);

export interface LockResponse {
  header?: ResponseHeader | undefined;
  key: Buffer;
}
export const LockResponse: MessageType<LockResponse> = new MessageType("v3lockpb.LockResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "key", type: "bytes" },
]);

export interface UnlockRequest {
  key: Buffer;
}
export const UnlockRequest: MessageType<UnlockRequest> = new MessageType("v3lockpb.UnlockRequest", () => [
  { id: 1, name: "key", type: "bytes" },
]);

export interface UnlockResponse {
  header?: ResponseHeader | undefined;
}
export const UnlockResponse: MessageType<UnlockResponse> = new MessageType("v3lockpb.UnlockResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface CampaignRequest {
  name: Buffer;
  lease: bigint;
  value: Buffer;
}
export const CampaignRequest: MessageType<CampaignRequest> = new MessageType("v3electionpb.CampaignRequest", () => [
  { id: 1, name: "name", type: "bytes" },
  { id: 2, name: "lease", type: "int64", bigint: true },
  { id: 3, name: "value", type: "bytes" },
]);

export interface CampaignResponse {
  header?: ResponseHeader | undefined;
  leader?: LeaderKey | undefined;
}
export const CampaignResponse: MessageType<CampaignResponse> = new MessageType("v3electionpb.CampaignResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "leader", type: () => LeaderKey as never, optional: true },
]);

export interface LeaderKey {
  name: Buffer;
  key: Buffer;
  rev: number;
  lease: bigint;
}
export const LeaderKey: MessageType<LeaderKey> = new MessageType("v3electionpb.LeaderKey", () => [
  { id: 1, name: "name", type: "bytes" },
  { id: 2, name: "key", type: "bytes" },
  { id: 3, name: "rev", type: "int64" },
  { id: 4, name: "lease", type: "int64", bigint: true },
]);

export interface LeaderRequest {
  name: Buffer;
}
export const LeaderRequest: MessageType<LeaderRequest> = new MessageType("v3electionpb.LeaderRequest", () => [
  { id: 1, name: "name", type: "bytes" },
]);

export interface LeaderResponse {
  header?: ResponseHeader | undefined;
  kv?: KeyValue | undefined;
}
export const LeaderResponse: MessageType<LeaderResponse> = new MessageType("v3electionpb.LeaderResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
  { id: 2, name: "kv", type: () => KeyValue as never, optional: true },
]);

export interface ResignRequest {
  leader?: LeaderKey | undefined;
}
export const ResignRequest: MessageType<ResignRequest> = new MessageType("v3electionpb.ResignRequest", () => [
  { id: 1, name: "leader", type: () => LeaderKey as never, optional: true },
]);

export interface ResignResponse {
  header?: ResponseHeader | undefined;
}
export const ResignResponse: MessageType<ResignResponse> = new MessageType("v3electionpb.ResignResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface ProclaimRequest {
  leader?: LeaderKey | undefined;
  value: Buffer;
}
export const ProclaimRequest: MessageType<ProclaimRequest> = new MessageType("v3electionpb.ProclaimRequest", () => [
  { id: 1, name: "leader", type: () => LeaderKey as never, optional: true },
  { id: 2, name: "value", type: "bytes" },
]);

export interface ProclaimResponse {
  header?: ResponseHeader | undefined;
}
export const ProclaimResponse: MessageType<ProclaimResponse> = new MessageType("v3electionpb.ProclaimResponse", () => [
  { id: 1, name: "header", type: () => ResponseHeader as never, optional: true },
]);

export interface KVMethods {
  range: Unary<RangeRequest, RangeResponse>;
  put: Unary<PutRequest, PutResponse>;
  deleteRange: Unary<DeleteRangeRequest, DeleteRangeResponse>;
  txn: Unary<TxnRequest, TxnResponse>;
  compact: Unary<CompactionRequest, CompactionResponse>;
}
export const KV = {
  fullName: "etcdserverpb.KV",
  methods: {
    range: {
      name: "Range",
      request: RangeRequest,
      response: RangeResponse,
      clientStream: false,
      serverStream: false,
    },
    put: {
      name: "Put",
      request: PutRequest,
      response: PutResponse,
      clientStream: false,
      serverStream: false,
    },
    deleteRange: {
      name: "DeleteRange",
      request: DeleteRangeRequest,
      response: DeleteRangeResponse,
      clientStream: false,
      serverStream: false,
    },
    txn: {
      name: "Txn",
      request: TxnRequest,
      response: TxnResponse,
      clientStream: false,
      serverStream: false,
    },
    compact: {
      name: "Compact",
      request: CompactionRequest,
      response: CompactionResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<KVMethods>;

export interface WatchMethods {
  watch: Bidi<WatchRequest, WatchResponse>;
}
export const Watch = {
  fullName: "etcdserverpb.Watch",
  methods: {
    watch: {
      name: "Watch",
      request: WatchRequest,
      response: WatchResponse,
      clientStream: true,
      serverStream: true,
    },
  },
} as unknown as ServiceTable<WatchMethods>;

export interface LeaseMethods {
  leaseGrant: Unary<LeaseGrantRequest, LeaseGrantResponse>;
  leaseRevoke: Unary<LeaseRevokeRequest, LeaseRevokeResponse>;
  leaseKeepAlive: Bidi<LeaseKeepAliveRequest, LeaseKeepAliveResponse>;
  leaseTimeToLive: Unary<LeaseTimeToLiveRequest, LeaseTimeToLiveResponse>;
  leaseLeases: Unary<LeaseLeasesRequest, LeaseLeasesResponse>;
}
export const Lease = {
  fullName: "etcdserverpb.Lease",
  methods: {
    leaseGrant: {
      name: "LeaseGrant",
      request: LeaseGrantRequest,
      response: LeaseGrantResponse,
      clientStream: false,
      serverStream: false,
    },
    leaseRevoke: {
      name: "LeaseRevoke",
      request: LeaseRevokeRequest,
      response: LeaseRevokeResponse,
      clientStream: false,
      serverStream: false,
    },
    leaseKeepAlive: {
      name: "LeaseKeepAlive",
      request: LeaseKeepAliveRequest,
      response: LeaseKeepAliveResponse,
      clientStream: true,
      serverStream: true,
    },
    leaseTimeToLive: {
      name: "LeaseTimeToLive",
      request: LeaseTimeToLiveRequest,
      response: LeaseTimeToLiveResponse,
      clientStream: false,
      serverStream: false,
    },
    leaseLeases: {
      name: "LeaseLeases",
      request: LeaseLeasesRequest,
      response: LeaseLeasesResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<LeaseMethods>;

export interface ClusterMethods {
  memberAdd: Unary<MemberAddRequest, MemberAddResponse>;
  memberRemove: Unary<MemberRemoveRequest, MemberRemoveResponse>;
  memberUpdate: Unary<MemberUpdateRequest, MemberUpdateResponse>;
  memberList: Unary<MemberListRequest, MemberListResponse>;
  memberPromote: Unary<MemberPromoteRequest, MemberPromoteResponse>;
}
export const Cluster = {
  fullName: "etcdserverpb.Cluster",
  methods: {
    memberAdd: {
      name: "MemberAdd",
      request: MemberAddRequest,
      response: MemberAddResponse,
      clientStream: false,
      serverStream: false,
    },
    memberRemove: {
      name: "MemberRemove",
      request: MemberRemoveRequest,
      response: MemberRemoveResponse,
      clientStream: false,
      serverStream: false,
    },
    memberUpdate: {
      name: "MemberUpdate",
      request: MemberUpdateRequest,
      response: MemberUpdateResponse,
      clientStream: false,
      serverStream: false,
    },
    memberList: {
      name: "MemberList",
      request: MemberListRequest,
      response: MemberListResponse,
      clientStream: false,
      serverStream: false,
    },
    memberPromote: {
      name: "MemberPromote",
      request: MemberPromoteRequest,
      response: MemberPromoteResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<ClusterMethods>;

export interface MaintenanceMethods {
  alarm: Unary<AlarmRequest, AlarmResponse>;
  status: Unary<StatusRequest, StatusResponse>;
  defragment: Unary<DefragmentRequest, DefragmentResponse>;
  hash: Unary<HashRequest, HashResponse>;
  hashKV: Unary<HashKVRequest, HashKVResponse>;
  snapshot: ServerStream<SnapshotRequest, SnapshotResponse>;
  moveLeader: Unary<MoveLeaderRequest, MoveLeaderResponse>;
  downgrade: Unary<DowngradeRequest, DowngradeResponse>;
}
export const Maintenance = {
  fullName: "etcdserverpb.Maintenance",
  methods: {
    alarm: {
      name: "Alarm",
      request: AlarmRequest,
      response: AlarmResponse,
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
    defragment: {
      name: "Defragment",
      request: DefragmentRequest,
      response: DefragmentResponse,
      clientStream: false,
      serverStream: false,
    },
    hash: {
      name: "Hash",
      request: HashRequest,
      response: HashResponse,
      clientStream: false,
      serverStream: false,
    },
    hashKV: {
      name: "HashKV",
      request: HashKVRequest,
      response: HashKVResponse,
      clientStream: false,
      serverStream: false,
    },
    snapshot: {
      name: "Snapshot",
      request: SnapshotRequest,
      response: SnapshotResponse,
      clientStream: false,
      serverStream: true,
    },
    moveLeader: {
      name: "MoveLeader",
      request: MoveLeaderRequest,
      response: MoveLeaderResponse,
      clientStream: false,
      serverStream: false,
    },
    downgrade: {
      name: "Downgrade",
      request: DowngradeRequest,
      response: DowngradeResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<MaintenanceMethods>;

export interface AuthMethods {
  authEnable: Unary<AuthEnableRequest, AuthEnableResponse>;
  authDisable: Unary<AuthDisableRequest, AuthDisableResponse>;
  authStatus: Unary<AuthStatusRequest, AuthStatusResponse>;
  authenticate: Unary<AuthenticateRequest, AuthenticateResponse>;
  userAdd: Unary<AuthUserAddRequest, AuthUserAddResponse>;
  userGet: Unary<AuthUserGetRequest, AuthUserGetResponse>;
  userList: Unary<AuthUserListRequest, AuthUserListResponse>;
  userDelete: Unary<AuthUserDeleteRequest, AuthUserDeleteResponse>;
  userChangePassword: Unary<AuthUserChangePasswordRequest, AuthUserChangePasswordResponse>;
  userGrantRole: Unary<AuthUserGrantRoleRequest, AuthUserGrantRoleResponse>;
  userRevokeRole: Unary<AuthUserRevokeRoleRequest, AuthUserRevokeRoleResponse>;
  roleAdd: Unary<AuthRoleAddRequest, AuthRoleAddResponse>;
  roleGet: Unary<AuthRoleGetRequest, AuthRoleGetResponse>;
  roleList: Unary<AuthRoleListRequest, AuthRoleListResponse>;
  roleDelete: Unary<AuthRoleDeleteRequest, AuthRoleDeleteResponse>;
  roleGrantPermission: Unary<AuthRoleGrantPermissionRequest, AuthRoleGrantPermissionResponse>;
  roleRevokePermission: Unary<AuthRoleRevokePermissionRequest, AuthRoleRevokePermissionResponse>;
}
export const Auth = {
  fullName: "etcdserverpb.Auth",
  methods: {
    authEnable: {
      name: "AuthEnable",
      request: AuthEnableRequest,
      response: AuthEnableResponse,
      clientStream: false,
      serverStream: false,
    },
    authDisable: {
      name: "AuthDisable",
      request: AuthDisableRequest,
      response: AuthDisableResponse,
      clientStream: false,
      serverStream: false,
    },
    authStatus: {
      name: "AuthStatus",
      request: AuthStatusRequest,
      response: AuthStatusResponse,
      clientStream: false,
      serverStream: false,
    },
    authenticate: {
      name: "Authenticate",
      request: AuthenticateRequest,
      response: AuthenticateResponse,
      clientStream: false,
      serverStream: false,
    },
    userAdd: {
      name: "UserAdd",
      request: AuthUserAddRequest,
      response: AuthUserAddResponse,
      clientStream: false,
      serverStream: false,
    },
    userGet: {
      name: "UserGet",
      request: AuthUserGetRequest,
      response: AuthUserGetResponse,
      clientStream: false,
      serverStream: false,
    },
    userList: {
      name: "UserList",
      request: AuthUserListRequest,
      response: AuthUserListResponse,
      clientStream: false,
      serverStream: false,
    },
    userDelete: {
      name: "UserDelete",
      request: AuthUserDeleteRequest,
      response: AuthUserDeleteResponse,
      clientStream: false,
      serverStream: false,
    },
    userChangePassword: {
      name: "UserChangePassword",
      request: AuthUserChangePasswordRequest,
      response: AuthUserChangePasswordResponse,
      clientStream: false,
      serverStream: false,
    },
    userGrantRole: {
      name: "UserGrantRole",
      request: AuthUserGrantRoleRequest,
      response: AuthUserGrantRoleResponse,
      clientStream: false,
      serverStream: false,
    },
    userRevokeRole: {
      name: "UserRevokeRole",
      request: AuthUserRevokeRoleRequest,
      response: AuthUserRevokeRoleResponse,
      clientStream: false,
      serverStream: false,
    },
    roleAdd: {
      name: "RoleAdd",
      request: AuthRoleAddRequest,
      response: AuthRoleAddResponse,
      clientStream: false,
      serverStream: false,
    },
    roleGet: {
      name: "RoleGet",
      request: AuthRoleGetRequest,
      response: AuthRoleGetResponse,
      clientStream: false,
      serverStream: false,
    },
    roleList: {
      name: "RoleList",
      request: AuthRoleListRequest,
      response: AuthRoleListResponse,
      clientStream: false,
      serverStream: false,
    },
    roleDelete: {
      name: "RoleDelete",
      request: AuthRoleDeleteRequest,
      response: AuthRoleDeleteResponse,
      clientStream: false,
      serverStream: false,
    },
    roleGrantPermission: {
      name: "RoleGrantPermission",
      request: AuthRoleGrantPermissionRequest,
      response: AuthRoleGrantPermissionResponse,
      clientStream: false,
      serverStream: false,
    },
    roleRevokePermission: {
      name: "RoleRevokePermission",
      request: AuthRoleRevokePermissionRequest,
      response: AuthRoleRevokePermissionResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<AuthMethods>;

export interface LockMethods {
  lock: Unary<LockRequest, LockResponse>;
  unlock: Unary<UnlockRequest, UnlockResponse>;
}
export const Lock = {
  fullName: "v3lockpb.Lock",
  methods: {
    lock: {
      name: "Lock",
      request: LockRequest,
      response: LockResponse,
      clientStream: false,
      serverStream: false,
    },
    unlock: {
      name: "Unlock",
      request: UnlockRequest,
      response: UnlockResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<LockMethods>;

export interface ElectionMethods {
  campaign: Unary<CampaignRequest, CampaignResponse>;
  proclaim: Unary<ProclaimRequest, ProclaimResponse>;
  leader: Unary<LeaderRequest, LeaderResponse>;
  observe: ServerStream<LeaderRequest, LeaderResponse>;
  resign: Unary<ResignRequest, ResignResponse>;
}
export const Election = {
  fullName: "v3electionpb.Election",
  methods: {
    campaign: {
      name: "Campaign",
      request: CampaignRequest,
      response: CampaignResponse,
      clientStream: false,
      serverStream: false,
    },
    proclaim: {
      name: "Proclaim",
      request: ProclaimRequest,
      response: ProclaimResponse,
      clientStream: false,
      serverStream: false,
    },
    leader: {
      name: "Leader",
      request: LeaderRequest,
      response: LeaderResponse,
      clientStream: false,
      serverStream: false,
    },
    observe: {
      name: "Observe",
      request: LeaderRequest,
      response: LeaderResponse,
      clientStream: false,
      serverStream: true,
    },
    resign: {
      name: "Resign",
      request: ResignRequest,
      response: ResignResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<ElectionMethods>;
