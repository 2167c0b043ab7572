import type { WatchReader } from "../cache/watcher.ts";
import type { Answer } from "./answer.ts";
import type { RequestContext } from "./context.ts";

type WatchAnswer = Extract<Answer, { type: "watch" }>;

/**
 * Writes a watcher's bytes until it ends, the client goes, or its time is up. A client that does
 * not read holds back only its own watcher, which is closed when too much waits
 * (`cache/watcher.ts`).
 */
export async function streamWatch(context: RequestContext, answer: WatchAnswer): Promise<void> {
  const { response, signal } = context;
  const { watcher } = answer;
  const close = () => watcher.close();
  const resume = () => watcher.resume();
  const timer = setTimeout(close, answer.timeout_ms);
  try {
    response.writeHead(200, {
      "content-type": watcher.contentType,
      "cache-control": "no-cache, private",
      "audit-id": context.id,
    });
    response.flushHeaders();
    await new Promise<void>((resolve) => {
      const reader: WatchReader = {
        write: (bytes) => response.write(bytes),
        end: (whole) => {
          if (whole) response.end();
          else context.cut();
          resolve();
        },
      };
      signal.addEventListener("abort", close, { once: true });
      response.on("drain", resume);
      if (signal.aborted) resolve();
      else watcher.attach(reader);
    });
  } finally {
    clearTimeout(timer);
    response.off("drain", resume);
    signal.removeEventListener("abort", close);
    watcher.close();
  }
}
