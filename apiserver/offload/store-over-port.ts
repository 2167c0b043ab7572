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
import { WatchRequest, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Pending } from "./pending.ts";
import {
  bufferOf,
  packed,
  STORE_METHODS,
  type StoreAnswer,
  type StoreCall,
  type StoreMethod,
} from "./store-calls.ts";

const log = logger("apiserver");

/** A call without its number. */
type Call = StoreCall extends infer C ? (C extends StoreCall ? Omit<C, "id"> : never) : never;
/** Makes a call. Resolves with the bytes that came back, none at a stream's end. */
type Ask = (call: Call) => Promise<Buffer | undefined>;

/** The store's client in a thread: its owner's client makes the calls. Throws EtcdError. */
export function storeOverPort(port: MessagePort): EtcdClient {
  const pending = new Pending<StoreAnswer>();
  port.on("message", (answer: StoreAnswer) => pending.answer(answer));
  port.on("close", () => pending.end(etcdError("stopped")));
  const ask: Ask = async (call) => {
    const handed = "request" in call ? [call.request.buffer as ArrayBuffer] : [];
    const answer = await pending.ask((id) => port.postMessage({ ...call, id }, handed));
    if ("etcd" in answer) throw new EtcdError(answer.etcd.status, answer.etcd.message);
    return answer.bytes && bufferOf(answer.bytes);
  };
  const unary = async (method: StoreMethod, message: object, { timeout_ms }: CallOptions = {}) => {
    const types = STORE_METHODS[method];
    const request = packed(types.request, message);
    const answer = await ask({ call: "unary", method, request, timeout_ms });
    return types.response.decode(answer ?? Buffer.alloc(0)) as never;
  };
  const refuse = (what: string) => () =>
    Promise.reject(new EtcdError(STATUS.UNIMPLEMENTED, `${what} is not for this thread to ask`));
  let streams = 0;
  const self: EtcdClient = {
    range: (request, options) => unary("range", request, options),
    put: (request, options) => unary("put", request, options),
    deleteRange: (request, options) => unary("deleteRange", request, options),
    txn: (request, options) => unary("txn", request, options),
    compact: (request, options) => unary("compact", request, options),
    leaseGrant: (request, options) => unary("leaseGrant", request, options),
    leaseRevoke: (request, options) => unary("leaseRevoke", request, options),
    leaseTimeToLive: (request, options) => unary("leaseTimeToLive", request, options),
    status: (options) => unary("status", {}, options),
    watch: (options = {}) => watchOver(ask, streams++, options),
    leaseKeepAlive: refuse("keeping a lease"),
    leaseLeases: refuse("the list of leases"),
    auth: authCalls(refuse("who may use the store")),
    as: (user) => signedIn(self, user),
    close: () => Promise.resolve(port.close()),
  };
  return self;
}

/** One response is asked for at a time: a client that does not read holds the stream back. */
function watchOver(ask: Ask, stream: number, { signal, requireLeader }: WatchOptions): WatchStream {
  let closed = false;
  /** What goes wrong here, the next response reports as well. */
  const post = (call: Call) => void ask(call).catch((thrown: unknown) =>
    log.debug("a watch of the store was not changed", { reason: messageOf(thrown) }));
  const send = (request: Init<WatchRequest>) =>
    post({ call: "send", stream, request: packed(WatchRequest, request) });
  const close = () => {
    if (!closed) post({ call: "close", stream });
    closed = true;
  };
  post({ call: "watch", stream, requireLeader });
  signal?.addEventListener("abort", close, { once: true });
  return {
    create: (createRequest) => send({ createRequest }),
    cancel: (watchId) => send({ cancelRequest: { watchId } }),
    requestProgress: () => send({ progressRequest: {} }),
    close,
    async *[Symbol.asyncIterator](): AsyncGenerator<WatchResponse> {
      for (;;) {
        const next = await ask({ call: "next", stream });
        if (next === undefined || closed) return;
        yield WatchResponse.decode(next);
      }
    },
  };
}
