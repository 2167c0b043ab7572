import type { MessagePort } from "node:worker_threads";
import type { EtcdClient, WatchStream } from "@raft2kube/client-etcd/client.ts";
import { EtcdError, STATUS } from "@raft2kube/client-etcd/errors.ts";
import { WatchRequest, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import {
  bufferOf,
  NEXT,
  packed,
  STORE_METHODS,
  type StoreAnswer,
  type StoreCall,
} from "./messages.ts";

/** Makes a thread's call of the store with its owner's client. A stream ends with its port. */
export function serveStore(etcd: EtcdClient, call: StoreCall): void {
  if ("watch" in call) return serveWatch(etcd.watch(call.watch), call.port);
  const { method, request, timeout_ms, port } = call;
  const types = STORE_METHODS[method];
  const options = timeout_ms === undefined ? {} : { timeout_ms };
  void answer(port, async () => {
    const message = types.request.decode(bufferOf(request)) as never;
    const made = method === "status" ? etcd.status(options) : etcd[method](message, options);
    return { bytes: packed(types.response, await made) };
  });
}

function serveWatch(stream: WatchStream, port: MessagePort): void {
  const responses = stream[Symbol.asyncIterator]();
  const serve = async (message: typeof NEXT | Uint8Array) => {
    if (message === NEXT) {
      const { done, value } = await responses.next();
      return { bytes: done ? undefined : packed(WatchResponse, value) };
    }
    const { createRequest, cancelRequest } = WatchRequest.decode(bufferOf(message));
    if (createRequest) stream.create(createRequest);
    else if (cancelRequest) stream.cancel(cancelRequest.watchId);
    else stream.requestProgress();
    return undefined;
  };
  port.on("message", (message) => void answer(port, () => serve(message)));
  port.on("close", () => stream.close());
}

async function answer(port: MessagePort, make: () => Promise<StoreAnswer | undefined>) {
  let made: StoreAnswer | undefined;
  try {
    made = await make();
  } catch (thrown) {
    const status = thrown instanceof EtcdError ? thrown.status : STATUS.UNKNOWN;
    made = { etcd: { status, message: messageOf(thrown) } };
  }
  if (made === undefined) return;
  port.postMessage(made, "bytes" in made && made.bytes ? [made.bytes.buffer] : []);
}
