import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

/** The next message of a peer's stream; ABORTED when the peer is silent for longer. */
export async function nextWithin<T>(
  stream: AsyncIterator<T>,
  clock: Clock,
  silence_ms: number,
): Promise<IteratorResult<T>> {
  const silence = Promise.withResolvers<never>();
  const timer = clock.after(silence_ms, () => {
    silence.reject(new RpcError(Status.ABORTED, `nothing came on the stream in ${silence_ms} ms`));
  });
  try {
    return await Promise.race([stream.next(), silence.promise]);
  } finally {
    timer.cancel();
  }
}
