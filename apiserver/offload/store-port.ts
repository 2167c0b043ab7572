import type { MessagePort } from "node:worker_threads";
import type { CallOptions, EtcdClient, WatchStream } from "@raft2kube/client-etcd/client.ts";
import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { WatchRequest, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { StoreAnswer, StoreCall } from "./messages.ts";
import { bufferOf, packed, STORE_METHODS } from "./store-methods.ts";

interface Stream {
  readonly stream: WatchStream;
  readonly responses: AsyncIterator<WatchResponse>;
}

type Call<K> = Extract<StoreCall, { call: K }>;

/** Makes a thread's calls of the store with this server's client, whatever that is. */
export class StorePort {
  readonly #etcd: EtcdClient;
  readonly #port: MessagePort;
  readonly #streams = new Map<number, Stream>();

  constructor(etcd: EtcdClient, port: MessagePort) {
    this.#etcd = etcd;
    this.#port = port;
    port.on("message", (call: StoreCall) => void this.#serve(call));
  }

  /** Ends what the thread has open. */
  close(): void {
    for (const { stream } of this.#streams.values()) stream.close();
    this.#streams.clear();
    this.#port.close();
  }

  async #serve(call: StoreCall): Promise<void> {
    const answer = await this.#answerTo(call);
    const bytes = "bytes" in answer ? answer.bytes : undefined;
    this.#port.postMessage(answer, bytes ? [bytes.buffer as ArrayBuffer] : []);
  }

  async #answerTo(call: StoreCall): Promise<StoreAnswer> {
    const { id } = call;
    try {
      return { id, bytes: await this.#make(call) };
    } catch (thrown) {
      if (!(thrown instanceof EtcdError)) return { id, failed: messageOf(thrown) };
      return { id, etcd: { status: thrown.status, message: thrown.message } };
    }
  }

  async #make(call: StoreCall): Promise<Uint8Array | undefined> {
    switch (call.call) {
      case "unary":
        return await this.#unary(call);
      case "watch":
        return this.#watch(call);
      case "send":
        return this.#send(call);
      case "next": {
        const next = await this.#stream(call.stream).responses.next();
        return next.done ? undefined : packed(WatchResponse, next.value);
      }
      case "close": {
        this.#streams.get(call.stream)?.stream.close();
        this.#streams.delete(call.stream);
        return undefined;
      }
    }
  }

  async #unary({ method, request, timeout_ms }: Call<"unary">): Promise<Uint8Array> {
    const types = STORE_METHODS[method];
    const options = timeout_ms === undefined ? {} : { timeout_ms };
    if (method === "status") return packed(types.response, await this.#etcd.status(options));
    const make = this.#etcd[method].bind(this.#etcd) as (
      request: unknown,
      options: CallOptions,
    ) => Promise<object>;
    return packed(types.response, await make(types.request.decode(bufferOf(request)), options));
  }

  #watch({ stream: id, requireLeader }: Call<"watch">): undefined {
    const stream = this.#etcd.watch(requireLeader === undefined ? {} : { requireLeader });
    this.#streams.set(id, { stream, responses: stream[Symbol.asyncIterator]() });
  }

  #send({ stream: id, request }: Call<"send">): undefined {
    const { stream } = this.#stream(id);
    const { createRequest, cancelRequest } = WatchRequest.decode(bufferOf(request));
    if (createRequest) stream.create(createRequest);
    else if (cancelRequest) stream.cancel(cancelRequest.watchId);
    else stream.requestProgress();
  }

  #stream(id: number): Stream {
    const stream = this.#streams.get(id);
    if (stream === undefined) throw new Error("the watch stream is closed");
    return stream;
  }
}
