import { type Init, MessageType } from "@raft2kube/proto/codec.ts";
import { WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import type { Bidi, ServiceTable } from "@raft2kube/proto/service.ts";
import { type Channel, client } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { Requests } from "./requests.ts";

/** WatchCreateRequest with revisions of all 64 bits, where ours are numbers. */
type WideCreate = { key: Buffer; startRevision: bigint; watchId: bigint };
const WideCreate: MessageType<WideCreate> = new MessageType(
  "etcdserverpb.WatchCreateRequest",
  () => [
    { id: 1, name: "key", type: "bytes" },
    { id: 3, name: "startRevision", type: "int64", bigint: true },
    { id: 7, name: "watchId", type: "int64", bigint: true },
  ],
);

type WideCancel = { watchId: bigint };
const WideCancel: MessageType<WideCancel> = new MessageType(
  "etcdserverpb.WatchCancelRequest",
  () => [{ id: 1, name: "watchId", type: "int64", bigint: true }],
);

type WideRequest = { createRequest: WideCreate | undefined; cancelRequest: WideCancel | undefined };
const WideRequest: MessageType<WideRequest> = new MessageType("etcdserverpb.WatchRequest", () => [
  { id: 1, name: "createRequest", type: () => WideCreate as never, oneof: "requestUnion" },
  { id: 2, name: "cancelRequest", type: () => WideCancel as never, oneof: "requestUnion" },
]);

const WideWatch = {
  fullName: "etcdserverpb.Watch",
  methods: {
    watch: {
      name: "Watch",
      request: WideRequest,
      response: WatchResponse,
      clientStream: true,
      serverStream: true,
    },
  },
} as unknown as ServiceTable<{ watch: Bidi<WideRequest, WatchResponse> }>;

const LOOK_MS = 20;

/** A watch stream that can ask for anything that fits into 64 bits. */
export class WideStream {
  readonly #requests = new Requests<Init<WideRequest>>();
  readonly #answers: AsyncIterator<WatchResponse>;
  #next: Promise<WatchResponse> | undefined;

  constructor(channel: Channel) {
    const stream = client(channel, WideWatch).watch(this.#requests);
    this.#answers = stream[Symbol.asyncIterator]();
  }

  send(request: Init<WideRequest>): void {
    this.#requests.send(request);
  }

  /** The next response, however long it takes. */
  async next(): Promise<WatchResponse> {
    this.#next ??= this.#answers.next().then(({ value, done }) => {
      if (done) throw new Error("the watch stream ended");
      return value as WatchResponse;
    });
    const response = await this.#next;
    this.#next = undefined;
    return response;
  }

  /** The next response, while `stir` is called again and again until it comes. */
  async nextWhile(stir: () => Promise<unknown>): Promise<WatchResponse> {
    let came = false;
    const response = this.next().finally(() => (came = true));
    const clock = systemClock();
    while (!came) {
      await stir();
      await Promise.race([response, delay(clock, LOOK_MS)]);
    }
    return response;
  }

  end(): void {
    this.#requests.end();
  }
}
