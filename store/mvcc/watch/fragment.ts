import { Event } from "@raft2kube/proto/gen/etcd.ts";
import { GRPC_OVERHEAD_BYTES, REQUEST_BYTES_MAX } from "../../limits.ts";

/** A response to a watch that asked for fragments carries about this much at most, as etcd's. */
const FRAGMENT_BYTES = REQUEST_BYTES_MAX + GRPC_OVERHEAD_BYTES;

/** Cuts a revision's events into responses of bounded size; `more` says that another follows. */
export function fragments(events: Event[]): { events: Event[]; more: boolean }[] {
  const parts: { events: Event[]; more: boolean }[] = [];
  let part: Event[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = sizeOf(event);
    if (part.length > 0 && bytes + size > FRAGMENT_BYTES) {
      parts.push({ events: part, more: true });
      part = [];
      bytes = 0;
    }
    part.push(event);
    bytes += size;
  }
  parts.push({ events: part, more: false });
  return parts;
}

const RECORD_OVERHEAD_BYTES = 64;

function sizeOf({ kv, prevKv }: Event): number {
  let bytes = 0;
  for (const record of [kv, prevKv]) {
    if (record) bytes += record.key.length + record.value.length + RECORD_OVERHEAD_BYTES;
  }
  return bytes;
}
