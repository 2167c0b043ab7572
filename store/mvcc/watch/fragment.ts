import { encodedSize } from "@raft2kube/proto/encoded.ts";
import { Event, type KeyValue, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";

/** More than the fields of a response take beside its events, and an event's beside its bytes. */
const FIELDS_BYTES_MAX = 256;

/**
 * Cuts a response to a watch that asked for fragments as etcd does (v3rpc/watch.go,
 * `sendFragments`): each part stays below `bytes_max` on the wire, unless one event alone does not;
 * all but the last say that another follows.
 */
export function fragments(whole: WatchResponse, bytes_max: number): WatchResponse[] {
  const { events } = whole;
  if (events.length < 2 || sizeAtMost(events) < bytes_max) return [whole];
  const own = WatchResponse.encode({ ...whole, events: [] }).length;
  if (events.reduce((sum, event) => sum + sizeOf(event), own) < bytes_max) return [whole];
  const empty = WatchResponse.encode({ ...whole, events: [], fragment: true }).length;
  const parts: WatchResponse[] = [];
  let part: Event[] = [];
  let bytes = empty;
  for (const event of events) {
    const size = sizeOf(event);
    if (part.length > 0 && bytes + size >= bytes_max) {
      parts.push({ ...whole, events: part, fragment: true });
      part = [];
      bytes = empty;
    }
    part.push(event);
    bytes += size;
  }
  parts.push({ ...whole, events: part });
  return parts;
}

/** An event's size in a response: its bytes, their length, one byte of tag. */
function sizeOf(event: Event): number {
  const bytes = encodedSize(Event, event);
  return 1 + varintSize(bytes) + bytes;
}

function varintSize(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/** A bound without encoding anything: most responses are far below the limit. */
function sizeAtMost(events: readonly Event[]): number {
  const record = (kv: KeyValue | undefined) => (kv ? kv.key.length + kv.value.length : 0);
  const all = events.map(({ kv, prevKv }) => FIELDS_BYTES_MAX + record(kv) + record(prevKv));
  return all.reduce((sum, bytes) => sum + bytes, FIELDS_BYTES_MAX);
}
