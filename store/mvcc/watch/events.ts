import { type Event, Event_EventType } from "@raft2kube/proto/gen/etcd.ts";
import type { Change } from "../records/recent.ts";
import type { State } from "../state/state.ts";

/** A change as it is sent to clients. The same object goes to all watchers. */
export interface ChangeEvent {
  key: string;
  event: Event;
  /** The same with the record before, made when first asked for. */
  withPrevious: () => Event;
  bytes: number;
}

const EVENT_OVERHEAD_BYTES = 64;

export function changeEvent(state: State, change: Change): ChangeEvent {
  const { key, kv, deleted } = change;
  const type = deleted ? Event_EventType.DELETE : Event_EventType.PUT;
  const event: Event = { type, kv };
  let full: Event | undefined;
  const withPrevious = () => (full ??= { type, kv, prevKv: previous(state, key, kv.modRevision) });
  return { key, event, withPrevious, bytes: key.length + kv.value.length + EVENT_OVERHEAD_BYTES };
}

/** The record before a revision, if the key existed and compaction has left it. */
function previous(state: State, key: string, revision: number) {
  const at = revision - 1;
  if (at < state.compactRevision) return undefined;
  const point = state.index.get(key, at);
  return point && state.records.read(point.main, point.sub);
}
