import type { EtcdClient, WatchOptions, WatchStream } from "@raft2kube/client-etcd/client.ts";
import { type Event, Event_EventType, type WatchResponse } from "@raft2kube/proto/gen/etcd.ts";

/** Takes a stream's responses one after the other. */
export class Watching {
  readonly stream: WatchStream;
  readonly #responses: AsyncIterator<WatchResponse>;

  constructor(client: EtcdClient, options: WatchOptions = {}) {
    this.stream = client.watch(options);
    this.#responses = this.stream[Symbol.asyncIterator]();
  }

  async next(): Promise<WatchResponse> {
    const { value, done } = await this.#responses.next();
    if (done) throw new Error("the watch stream ended");
    return value;
  }

  /** Creates a watch and waits for its id. */
  async create(request: Parameters<WatchStream["create"]>[0]): Promise<bigint> {
    this.stream.create(request);
    const response = await this.next();
    if (!response.created) throw new Error("the first answer was no creation");
    return response.watchId;
  }

  /** Takes responses until there are `count` events. */
  async events(count: number): Promise<Event[]> {
    const events: Event[] = [];
    while (events.length < count) events.push(...(await this.next()).events);
    return events;
  }

  async close(): Promise<void> {
    this.stream.close();
    await this.#responses.return?.();
  }
}

/** An event in one line: `PUT k=v@revision`. */
export function describeEvent({ type, kv }: Event): string {
  const name = kv!.key.toString("latin1").split("/").at(-1);
  const value = type === Event_EventType.DELETE ? "" : `=${kv!.value.toString("latin1")}`;
  return `${type === Event_EventType.DELETE ? "DELETE" : "PUT"} ${name}${value}`;
}
