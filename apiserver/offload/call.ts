import { MessageChannel, type MessagePort, type Worker } from "node:worker_threads";

/**
 * Sends a message to another thread, with a `port` for the answer. Rejects with `ended` if that
 * thread ends before it answers. When `signal` is aborted, a message is sent on the port; the
 * answer is still awaited.
 */
export async function callThread<A>(
  target: Worker | MessagePort,
  message: object,
  ended: Error,
  signal?: AbortSignal,
): Promise<A> {
  const { port1, port2 } = new MessageChannel();
  const abort = () => port1.postMessage("abort");
  try {
    target.postMessage({ ...message, port: port2 }, [port2]);
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
