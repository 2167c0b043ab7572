import type { Status } from "../errors/api-error.ts";
import type { Entry } from "./entry.ts";

/** One change of one object, as the store's watch reported it. */
export interface CacheEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly revision: number;
  /** The new state; for DELETED the last state, carrying the deletion's revision. */
  readonly entry: Entry;
  /** The state before; undefined for ADDED. */
  readonly previous: Entry | undefined;
  /** Encodings already made, shared by all watchers; emptied once the event is old. */
  readonly shared: Map<string, Buffer>;
}

/** What a watcher hands on. */
export type WatchItem =
  | {
      type: "ADDED" | "MODIFIED" | "DELETED";
      revision: number;
      entry: Entry;
      shared: Map<string, Buffer> | undefined;
    }
  | { type: "BOOKMARK"; revision: number; initialEventsEnd: boolean }
  | { type: "ERROR"; status: Status };
