import type { MessagePort } from "node:worker_threads";
import { authCalls } from "@raft2kube/client-etcd/auth.ts";
import type {
  CallOptions,
  EtcdClient,
  WatchOptions,
  WatchStream,
} from "@raft2kube/client-etcd/client.ts";
import { EtcdError, etcdError, STATUS } from "@raft2kube/client-etcd/errors.ts";
import { signedIn } from "@raft2kube/client-etcd/signed-in.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { StoreAnswer, StoreCall } from "./messages.ts";
import { bufferOf, packed, STORE_METHODS, type StoreMethod } from "./store-methods.ts";

const log = logger("apiserver");

/** A call without its number. */
type Call = StoreCall extends infer C ? (C extends StoreCall ? Omit<C, "id"> : never) : never;

interface Waiting {
  resolve(answer: StoreAnswer): void;
  reject(reason: Error): void;
}

/** Calls of the store that the thread's owner makes. */
class Calls {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #nextStream = 0;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", (answer: StoreAnswer) => {
      this.#waiting.get(answer.id)?.resolve(answer);
      this.#waiting.delete(answer.id);
    });
    port.on("close", () => this.end());
  }

  /** Resolves with the bytes that came back, none at a stream's end. Throws EtcdError. */
  async ask(call: Call): Promise<Buffer | undefined> {
    const answer = await this.#answerTo(call);
    if ("bytes" in answer) return answer.bytes && bufferOf(answer.bytes);
    if ("etcd" in answer) throw new EtcdError(answer.etcd.status, answer.etcd.message);
    throw new Error(answer.failed);
  }

  newStream(): number {
    return this.#nextStream++;
  }

  end(): void {
    for (const { reject } of this.#waiting.values()) reject(etcdError("stopped"));
    this.#waiting.clear();
    this.#port.close();
  }

  #answerTo(call: Call): Promise<StoreAnswer> {
    const id = this.#nextId++;
    const handed = "request" in call ? [call.request.buffer as ArrayBuffer] : [];
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#port.postMessage({ ...call, id }, handed);
    });
  }
}

/** The store's client in a thread: its owner's client makes the calls. */
export function storeOverPort(port: MessagePort): EtcdClient {
  const calls = new Calls(port);
  const unary =
    (method: StoreMethod) =>
    async (request: object, { timeout_ms }: CallOptions = {}) => {
      const types = STORE_METHODS[method];
      const bytes = packed(types.request, request);
      const answer = await calls.ask({ call: "unary", method, request: bytes, timeout_ms });
      return types.response.decode(answer ?? Buffer.alloc(0)) as never;
    };
  const refuse = (what: string) => () =>
    Promise.reject(new EtcdError(STATUS.UNIMPLEMENTED, `${what} is not for this thread to ask`));
  const self: EtcdClient = {
    range: unary("range"),
    put: unary("put"),
    deleteRange: unary("deleteRange"),
    txn: unary("txn"),
    compact: unary("compact"),
    leaseGrant: unary("leaseGrant"),
    leaseRevoke: unary("leaseRevoke"),
    leaseTimeToLive: unary("leaseTimeToLive"),
    watch: (options = {}) => new WatchOverPort(calls, options),
    leaseKeepAlive: refuse("keeping a lease"),
    leaseLeases: refuse("the list of leases"),
    status: (options) => unary("status")({}, options),
    auth: authCalls(refuse("who may use the store")),
    as: (user) => signedIn(self, user),
    close: () => {
      calls.end();
      return Promise.resolve();
    },
  };
  return self;
}

/** One response is asked for at a time: who does not read holds the store's stream back. */
class WatchOverPort implements WatchStream {
  readonly #calls: Calls;
  readonly #stream: number;
  #closed = false;

  constructor(calls: Calls, { signal, requireLeader }: WatchOptions) {
    this.#calls = calls;
    this.#stream = calls.newStream();
    this.#tell({ call: "watch", stream: this.#stream, requireLeader });
    signal?.addEventListener("abort", () => this.close(), { once: true });
  }

  create(createRequest: Init<WatchCreateRequest>): void {
    this.#send({ createRequest });
  }

  cancel(watchId: WatchResponse["watchId"]): void {
    this.#send({ cancelRequest: { watchId } });
  }

  requestProgress(): void {
    this.#send({ progressRequest: {} });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#tell({ call: "close", stream: this.#stream });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchResponse> {
    for (;;) {
      const next = await this.#calls.ask({ call: "next", stream: this.#stream });
      if (next === undefined || this.#closed) return;
      yield WatchResponse.decode(next);
    }
  }

  #send(request: Init<WatchRequest>): void {
    const bytes = packed(WatchRequest, request);
    this.#tell({ call: "send", stream: this.#stream, request: bytes });
  }

  /** What goes wrong here, the next response says as well: that is where it is heard. */
  #tell(call: Call): void {
    this.#calls.ask(call).catch((thrown: unknown) => {
      log.debug("a watch of the store was not told", { reason: messageOf(thrown) });
    });
  }
}
