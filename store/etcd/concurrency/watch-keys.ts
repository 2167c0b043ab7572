import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { WatchCreateRequest, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { EtcdContext } from "../request/context.ts";
import { WatchSession } from "../watch/watch.ts";

/** A response of a watch that has events. */
export type KeysChanged = Pick<WatchResponse, "header" | "events">;

/** The error of a call whose client ended it. */
export const cancelled = (): RpcError => new RpcError(Status.CANCELLED, "context canceled");

/**
 * One watch of this member's, for a call that waits for keys to change: as a client's, with the
 * rights of the caller. Throws if the watch ends or is refused, and CANCELLED when `signal` aborts.
 */
export async function* watchKeys(
  context: EtcdContext,
  createRequest: WatchCreateRequest,
  signal: AbortSignal,
): AsyncGenerator<KeysChanged> {
  const session = new WatchSession(context, context.identify);
  const close = () => session.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    if (signal.aborted) throw cancelled();
    await session.handle({ createRequest });
    for (;;) {
      const responses = await session.take();
      if (!responses) throw cancelled();
      for (const response of responses) {
        if (response.compactRevision > 0) throw etcdError("compacted");
        if (response.canceled) throw new RpcError(Status.UNKNOWN, response.cancelReason);
        if (response.events.length > 0) yield response;
      }
    }
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}
