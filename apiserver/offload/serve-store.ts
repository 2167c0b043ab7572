import type { MessagePort } from "node:worker_threads";
import { callByName, CALLS } from "@raft2kube/client-etcd/calls.ts";
import type { EtcdClient, WatchStream } from "@raft2kube/client-etcd/client.ts";
import { EtcdError, STATUS } from "@raft2kube/client-etcd/errors.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import { type WatchRequest, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { ownBytes } from "@raft2kube/std/bytes.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { NEXT, type StoreAnswer, type StoreCall } from "./messages.ts";

/** Makes a thread's call of the store with its owner's client. A stream ends with its port. */
export function serveStore(etcd: EtcdClient, call: StoreCall): void {
  if ("watch" in call) return serveWatch(etcd.watch(call.watch), call.port);
  const { name, message, options, port } = call;
  void answer(port, async () => {
    const response = (await callByName(etcd, name, message, options)) as object;
    return { bytes: ownBytes(CALLS[name].response.encode(response)) };
  });
}

function serveWatch(stream: WatchStream, port: MessagePort): void {
  const responses = stream[Symbol.asyncIterator]();
  const serve = async (message: typeof NEXT | Init<WatchRequest>) => {
    if (message === NEXT) {
      const { done, value } = await responses.next();
      return { bytes: done ? undefined : ownBytes(WatchResponse.encode(value)) };
    }
    const { createRequest, cancelRequest } = message;
    if (createRequest) stream.create(createRequest);
    else if (cancelRequest) stream.cancel(cancelRequest.watchId!);
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
