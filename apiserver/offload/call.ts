import { MessageChannel, type Transferable } from "node:worker_threads";

/** A worker, or the port to its owner. */
interface Target {
  postMessage(message: unknown, transfer: readonly Transferable[]): void;
}

interface CallOptions {
  readonly transfer?: readonly Transferable[];
  /** When aborted, a message is sent on the call's port; the answer is still awaited. */
  readonly signal?: AbortSignal;
}

/**
 * Sends a message to another thread, with a `port` for the answer. Rejects with `ended` if that
 * thread ends before it answers.
 */
export async function callThread<A>(
  target: Target,
  message: object,
  ended: Error,
  { transfer = [], signal }: CallOptions = {},
): Promise<A> {
  const { port1, port2 } = new MessageChannel();
  const abort = () => port1.postMessage("abort");
  try {
    target.postMessage({ ...message, port: port2 }, [port2, ...transfer]);
    signal?.addEventListener("abort", abort, { once: true });
    return await new Promise<A>((resolve, reject) => {
      port1.once("message", resolve);
      port1.once("close", () => reject(ended));
    });
  } finally {
    signal?.removeEventListener("abort", abort);
    port1.close();
  }
}
