import type { MessagePort } from "node:worker_threads";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import type { Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { RequestInfo } from "../request/request-info.ts";
import type { ApiserverOptions } from "../options.ts";
import type { Selected } from "../storage/recent-writes.ts";

/**
 * What an apiserver is given that a thread can be given too: no functions. The thread has the
 * system's clock and random numbers, and serves whatever kind it is sent a request for.
 */
export type ThreadOptions = Omit<ApiserverOptions, OwnersOptions>;

type OwnersOptions =
  "etcd" | "serves" | "encryption" | "encryptionReloads" | "onIdle" | "clock" | "random";

/** What the thread begins with. */
export interface ThreadInit {
  readonly options: ThreadOptions;
  /** The EncryptionConfiguration, undefined when nothing is encrypted. */
  readonly encryption: string | undefined;
  /** The store's calls go this way. */
  readonly store: MessagePort;
}

/** A request whose client is known and allowed. */
export interface LargeRequest {
  readonly id: number;
  readonly requestId: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly info: RequestInfo;
  readonly query: string;
  readonly user: RequestUser;
  readonly body: Uint8Array;
}

export type ToThread = { do: "serve"; request: LargeRequest } | { do: "abort"; id: number };

/** What the thread says by itself: it is about to write something large. */
export interface LargeWrite {
  readonly apiVersion: string;
  readonly plural: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly selected: Selected;
}

export type FromThread = { answer: LargeAnswer } | { write: LargeWrite };

/** An answer, whole; or what went wrong. */
export type LargeAnswer =
  | {
      id: number;
      code: number;
      contentType: string | undefined;
      body: Uint8Array | string;
      headers: Readonly<Record<string, string>> | undefined;
      warnings: string[];
    }
  | { id: number; status: Status; warnings: string[] };
