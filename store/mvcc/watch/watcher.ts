import {
  type Event,
  Event_EventType,
  WatchCreateRequest_FilterType as Filter,
} from "@raft2kube/proto/gen/etcd.ts";
import type { KeyRange } from "../../structures/key-range.ts";
import type { QueuedResponse, WatchStreamQueue } from "./stream-queue.ts";

/** One watch of one stream. */
export interface Watcher {
  readonly id: bigint;
  readonly range: KeyRange;
  readonly stream: WatchStreamQueue;
  readonly prevKv: boolean;
  readonly progressNotify: boolean;
  readonly fragment: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  /** The first revision not yet sent (S5). */
  nextRevision: number;
  /**
   * Whether the watcher lags behind the present: events reach it by catching up, in order, not as
   * they happen.
   */
  behind: boolean;
  /** The response with its latest events, to which more may be added. */
  latest?: QueuedResponse | undefined;
  /** Nothing was sent since the last round of progress notices. */
  idle: boolean;
}

/** The events that a watcher's filters let through. */
export function filterEvents(watcher: Watcher, events: Event[]): Event[] {
  if (!watcher.noPut && !watcher.noDelete) return events;
  return events.filter(({ type }) =>
    type === Event_EventType.DELETE ? !watcher.noDelete : !watcher.noPut,
  );
}

export function filtersOf(filters: readonly number[]): { noPut: boolean; noDelete: boolean } {
  return { noPut: filters.includes(Filter.NOPUT), noDelete: filters.includes(Filter.NODELETE) };
}
