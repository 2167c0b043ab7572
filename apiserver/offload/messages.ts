import type { MessagePort } from "node:worker_threads";
import type { MessageType } from "@raft2kube/proto/codec.ts";
import { KV, Lease, Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import type { Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { ApiserverOptions } from "../options.ts";
import type { RequestContext } from "../request/context.ts";
import type { Selected } from "../storage/recent-writes.ts";

/** Options of the thread's apiserver: those that are data. It uses the system's clock. */
export type ThreadOptions = Omit<
  ApiserverOptions,
  "etcd" | "serves" | "encryption" | "encryptionReloads" | "onIdle" | "clock" | "random"
>;

export interface ThreadInit {
  readonly options: ThreadOptions;
  /** The EncryptionConfiguration, undefined without encryption. */
  readonly encryption: string | undefined;
}

/** An authorized request. A message on `port` aborts it. */
export interface LargeRequest extends Pick<RequestContext, "id" | "info" | "user"> {
  readonly port: MessagePort;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly query: string;
  readonly body: Uint8Array;
}

/** The thread is about to store a large object. */
export interface LargeWrite {
  readonly apiVersion: string;
  readonly plural: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly selected: Selected;
}

export type FromThread = { write: LargeWrite } | StoreCall;

/** A complete response, or an error. */
export type LargeAnswer = { warnings: readonly string[] } & (
  | { status: Status }
  | {
      code: number;
      contentType: string | undefined;
      body: Uint8Array | string;
      headers: Readonly<Record<string, string>> | undefined;
    }
);

/** The store's unary calls that the thread makes. */
export const STORE_METHODS = {
  range: KV.methods.range,
  txn: KV.methods.txn,
  leaseGrant: Lease.methods.leaseGrant,
  status: Maintenance.methods.status,
} as const;

/**
 * A call of the store, whose port receives the answers. On the port of a watch, the thread sends
 * the stream's requests, and NEXT for each response that it is ready to read.
 */
export type StoreCall = { readonly port: MessagePort } & (
  | { method: keyof typeof STORE_METHODS; request: Uint8Array; timeout_ms: number | undefined }
  | { watch: { requireLeader?: boolean } }
);

export const NEXT = "next";

/** A response in protobuf, undefined at a stream's end; or etcd's error. */
export type StoreAnswer =
  | { bytes: Uint8Array<ArrayBuffer> | undefined }
  | { etcd: { status: number; message: string } };

/**
 * Encodes a message of the store for another thread, into a buffer of its own that can be
 * transferred: a view would take its whole buffer along.
 */
export function packed(type: MessageType<unknown>, message: object): Uint8Array<ArrayBuffer> {
  const bytes = type.encode(message);
  const own = bytes.byteLength === bytes.buffer.byteLength;
  return own ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}

/** Returns the same bytes as a Buffer, without a copy. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
