import type { Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { Entry } from "../object/entry.ts";

/** One change of one object, as the store's watch reported it. */
export interface CacheEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly revision: number;
  /** The new state; for DELETED the last state, carrying the deletion's revision. */
  readonly entry: Entry;
  /** The state before; undefined for ADDED. */
  readonly previous: Entry | undefined;
}

export type WatchItem =
  | { type: "ADDED" | "MODIFIED" | "DELETED"; revision: number; entry: Entry }
  | { type: "BOOKMARK"; revision: number; initialEventsEnd: boolean }
  | { type: "ERROR"; status: Status };

/** Turns items into the bytes of one form of stream: JSON, protobuf, tables. */
export interface WatchEncoder {
  /** Two encoders of one kind with the same id make the same bytes. */
  readonly id: string;
  readonly contentType: string;
  encode(item: WatchItem): Buffer;
  /**
   * Changes the bytes of the first events that a watcher gets, if these contain more than later
   * ones; by default unchanged.
   */
  opening?(bytes: Buffer): Buffer;
}
