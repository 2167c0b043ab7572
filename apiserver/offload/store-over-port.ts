import { on } from "node:events";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { CALLS, callsBy } from "@raft2kube/client-etcd/calls.ts";
import type { EtcdClient, WatchOptions, WatchStream } from "@raft2kube/client-etcd/client.ts";
import { EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import { signedIn } from "@raft2kube/client-etcd/signed-in.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import { type WatchRequest, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { asBuffer } from "@raft2kube/std/bytes.ts";
import { callThread } from "./call.ts";
import { NEXT, type StoreAnswer, type StoreCall } from "./messages.ts";

/** The store's client in a thread: its owner makes the calls. Throws EtcdError. */
export function storeOverPort(owner: MessagePort): EtcdClient {
  const calls = callsBy(async (name, message, { signal, ...options } = {}) => {
    const call = { name, message, options } satisfies Omit<StoreCall, "port">;
    const answer = await callThread<StoreAnswer>(owner, call, etcdError("stopped"));
    return CALLS[name].response.decode(bytesOf(answer) ?? Buffer.alloc(0));
  });
  const self: EtcdClient = {
    ...calls,
    watch: (options = {}) => watchOver(owner, options),
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
  const send = (request: Init<WatchRequest>) => port1.postMessage(request);
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
  return answer.bytes && asBuffer(answer.bytes);
}
