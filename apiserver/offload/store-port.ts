import type { MessagePort } from "node:worker_threads";
import type { CallOptions, EtcdClient, WatchStream } from "@raft2kube/client-etcd/client.ts";
import { EtcdError, etcdError, STATUS } from "@raft2kube/client-etcd/errors.ts";
import { WatchRequest, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { bufferOf, packed, STORE_METHODS, type StoreAnswer, type StoreCall } from "./store-calls.ts";

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
    const { id } = call;
    let answer: StoreAnswer;
    try {
      answer = { id, bytes: await this.#make(call) };
    } catch (thrown) {
      const status = thrown instanceof EtcdError ? thrown.status : STATUS.UNKNOWN;
      answer = { id, etcd: { status, message: messageOf(thrown) } };
    }
    const bytes = "bytes" in answer ? answer.bytes : undefined;
    this.#port.postMessage(answer, bytes ? [bytes.buffer as ArrayBuffer] : []);
  }

  async #make(call: StoreCall): Promise<Uint8Array | undefined> {
    switch (call.call) {
      case "unary":
        return await this.#unary(call);
      case "watch": {
        const { requireLeader } = call;
        const stream = this.#etcd.watch(requireLeader === undefined ? {} : { requireLeader });
        this.#streams.set(call.stream, { stream, responses: stream[Symbol.asyncIterator]() });
        return undefined;
      }
      case "send": {
        const { stream } = this.#stream(call.stream);
        const { createRequest, cancelRequest } = WatchRequest.decode(bufferOf(call.request));
        if (createRequest) stream.create(createRequest);
        else if (cancelRequest) stream.cancel(cancelRequest.watchId);
        else stream.requestProgress();
        return undefined;
      }
      case "next": {
        const next = await this.#stream(call.stream).responses.next();
        return next.done ? undefined : packed(WatchResponse, next.value);
      }
      case "close":
        this.#streams.get(call.stream)?.stream.close();
        this.#streams.delete(call.stream);
        return undefined;
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

  #stream(id: number): Stream {
    const stream = this.#streams.get(id);
    if (stream === undefined) throw etcdError("stopped");
    return stream;
  }
}
