import type { MessageType } from "@raft2kube/proto/codec.ts";
import { KV, Lease, Maintenance } from "@raft2kube/proto/gen/etcd.ts";

/** The calls of the store that go from thread to thread: those that the apiserver makes. */
export const STORE_METHODS = {
  range: KV.methods.range,
  put: KV.methods.put,
  deleteRange: KV.methods.deleteRange,
  txn: KV.methods.txn,
  compact: KV.methods.compact,
  leaseGrant: Lease.methods.leaseGrant,
  leaseRevoke: Lease.methods.leaseRevoke,
  leaseTimeToLive: Lease.methods.leaseTimeToLive,
  status: Maintenance.methods.status,
} as const;

export type StoreMethod = keyof typeof STORE_METHODS;

/** One call of the store's client; messages are in protobuf, a watch's bear its stream's number. */
export type StoreCall = { id: number } & (
  | { call: "unary"; method: StoreMethod; request: Uint8Array; timeout_ms: number | undefined }
  | { call: "watch"; stream: number; requireLeader: boolean | undefined }
  | { call: "send"; stream: number; request: Uint8Array }
  | { call: "next" | "close"; stream: number }
);

/** What came of it. Of `next` no bytes mean that the stream has ended. */
export type StoreAnswer = { id: number } & (
  | { bytes: Uint8Array | undefined }
  | { etcd: { status: number; message: string } }
);

/**
 * A message as it goes from one thread to another: its protobuf form, as over gRPC, in memory of
 * its own, which is handed over. A part of a larger buffer would take all of that along.
 */
export function packed(type: MessageType<unknown>, message: object): Uint8Array<ArrayBuffer> {
  const bytes = type.encode(message);
  const own = bytes.byteLength === bytes.buffer.byteLength;
  return own ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}

/** The same bytes as a Buffer, not copied: that is what messages hold. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
