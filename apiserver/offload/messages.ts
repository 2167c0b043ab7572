import type { MessagePort } from "node:worker_threads";
import type { CallName } from "@raft2kube/client-etcd/calls.ts";
import type { CallOptions } from "@raft2kube/client-etcd/client.ts";
import type { Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { ApiserverOptions } from "../options.ts";
import type { BytesAnswer } from "../request/answer.ts";
import type { RequestContext } from "../request/context.ts";
import type { Selected } from "../storage/recent-writes.ts";

type FunctionsIn<T> = {
  [Name in keyof T]-?: NonNullable<T[Name]> extends (...given: never[]) => unknown ? Name : never;
}[keyof T];

/**
 * Returns the options that the thread's apiserver is given, those that are data, and the
 * EncryptionConfiguration, undefined without encryption. It uses the system's clock.
 */
export function threadInit(
  { etcd, serves, encryption, encryptionReloads, onIdle, clock, random, ...data }: ApiserverOptions,
) {
  // Functions cannot be sent to a thread: an option that is one does not compile here.
  const options = data satisfies { [Name in FunctionsIn<typeof data>]: never };
  return { options, encryption: encryption?.config };
}

export type ThreadInit = ReturnType<typeof threadInit>;

/** An authorized request. A message on `port` aborts it. */
export interface LargeRequest {
  readonly port: MessagePort;
  readonly context: Pick<RequestContext, "id" | "info" | "user">;
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

export type FromThread = LargeWrite | StoreCall;

/** A complete response, or an error. */
export type LargeAnswer = { readonly warnings: readonly string[] } & (
  | { readonly status: Status }
  | { readonly answer: BytesAnswer }
);

/**
 * A call of the store, whose port receives the answers. On the port of a watch, the thread sends
 * the stream's requests, and NEXT for each response that it is ready to read.
 */
export type StoreCall = { readonly port: MessagePort } & (
  | { name: CallName; message: object; options: Omit<CallOptions, "signal"> }
  | { watch: { requireLeader?: boolean } }
);

export const NEXT = "next";

/** A response in protobuf, undefined at a stream's end; or etcd's error. */
export type StoreAnswer =
  | { bytes: Uint8Array<ArrayBuffer> | undefined }
  | { etcd: { status: number; message: string } };
