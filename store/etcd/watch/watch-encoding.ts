import type { Init } from "@raft2kube/proto/codec.ts";
import { encodedOnce } from "@raft2kube/proto/encoded.ts";
import { Event, ResponseHeader, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { Prepared } from "@raft2kube/rpc/batch.ts";
import { MESSAGE_HEADER_BYTES } from "@raft2kube/rpc/grpc-message.ts";

const NO_BYTES = Buffer.alloc(0);

/**
 * Encodes responses of watches. Watches of the same keys are sent the same events one after the
 * other: these bytes are made once, and follow the few that are a watch's own.
 */
export class WatchEncoding {
  #events: readonly Event[] = [];
  #bytes: Buffer = NO_BYTES;

  encode(response: WatchResponse): Init<WatchResponse> | Prepared {
    const { header, events } = response;
    const own = { ...response, header: header && encodedOnce(ResponseHeader, header), events: [] };
    if (events.length === 0) return own;
    // The field of events has the highest number: the bytes are those of the whole message.
    return new Prepared(WatchResponse.encode(own, MESSAGE_HEADER_BYTES), this.#bytesOf(events));
  }

  #bytesOf(events: readonly Event[]): Buffer {
    if (events !== this.#events && !isSame(events, this.#events)) {
      const encoded = events.map((event) => encodedOnce(Event, event));
      this.#bytes = WatchResponse.encode({ events: encoded });
      this.#events = events;
    }
    return this.#bytes;
  }
}

function isSame(a: readonly Event[], b: readonly Event[]): boolean {
  return a.length === b.length && a.every((event, i) => event === b[i]);
}
