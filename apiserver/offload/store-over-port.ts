import { on } from "node:events";
import { MessageChannel, type MessagePort } from "node:worker_threads";
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
import { callThread } from "./call.ts";
import {
  bufferOf,
  NEXT,
  packed,
  STORE_METHODS,
  type StoreAnswer,
  type StoreCall,
} from "./messages.ts";

/** The store's client in a thread: its owner makes the calls. Throws EtcdError. */
export function storeOverPort(owner: MessagePort): EtcdClient {
  const unary = async (
    method: keyof typeof STORE_METHODS,
    message: object,
    { timeout_ms }: CallOptions = {},
  ) => {
    const types = STORE_METHODS[method];
    const request = packed(types.request, message);
    const call = { method, request, timeout_ms } satisfies Omit<StoreCall, "port">;
    const options = { transfer: [request.buffer] };
    const answer = await callThread<StoreAnswer>(owner, call, etcdError("stopped"), options);
    return types.response.decode(bytesOf(answer) ?? Buffer.alloc(0)) as never;
  };
  const refused = () =>
    Promise.reject(new EtcdError(STATUS.UNIMPLEMENTED, "the call is not served to this thread"));
  const self: EtcdClient = {
    range: (request, options) => unary("range", request, options),
    txn: (request, options) => unary("txn", request, options),
    leaseGrant: (request, options) => unary("leaseGrant", request, options),
    status: (options) => unary("status", {}, options),
    watch: (options = {}) => watchOver(owner, options),
    put: refused,
    deleteRange: refused,
    compact: refused,
    leaseRevoke: refused,
    leaseKeepAlive: refused,
    leaseTimeToLive: refused,
    leaseLeases: refused,
    auth: authCalls(refused),
    as: (user) => signedIn(self, user),
    close: () => Promise.resolve(),
  };
  return self;
}

/** Opens a watch stream. One response is requested at a time, for back-pressure. */
function watchOver(owner: MessagePort, { signal, requireLeader }: WatchOptions): WatchStream {
  const { port1, port2 } = new MessageChannel();
  const answers = on(port1, "message", { close: ["close"] }) as AsyncIterable<[StoreAnswer]>;
  const close = () => port1.close();
  signal?.addEventListener("abort", close, { once: true });
  const watch = requireLeader === undefined ? {} : { requireLeader };
  owner.postMessage({ watch, port: port2 } satisfies StoreCall, [port2]);
  const send = (request: Init<WatchRequest>) => port1.postMessage(packed(WatchRequest, request));
  return {
    create: (createRequest) => send({ createRequest }),
    cancel: (watchId) => send({ cancelRequest: { watchId } }),
    requestProgress: () => send({ progressRequest: {} }),
    close,
    async *[Symbol.asyncIterator](): AsyncGenerator<WatchResponse> {
      port1.postMessage(NEXT);
      for await (const [answer] of answers) {
        const bytes = bytesOf(answer);
        if (bytes === undefined) return;
        yield WatchResponse.decode(bytes);
        port1.postMessage(NEXT);
      }
    },
  };
}

function bytesOf(answer: StoreAnswer): Buffer | undefined {
  if ("etcd" in answer) throw new EtcdError(answer.etcd.status, answer.etcd.message);
  return answer.bytes && bufferOf(answer.bytes);
}
