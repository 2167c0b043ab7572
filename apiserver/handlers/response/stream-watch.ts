import { ownerOf } from "../../authn/owner.ts";
import { isWebSocket } from "../../authn/websocket-token.ts";
import type { WatchReader } from "../../cache/watcher.ts";
import type { Answer } from "../../request/answer.ts";
import type { RequestContext } from "../../request/context.ts";
import { inParts, type WatchSink } from "./watch-sink.ts";
import { openWebSocketSink } from "./websocket-watch.ts";

type WatchAnswer = Extract<Answer, { type: "watch" }>;

/**
 * Writes a watcher's bytes until it ends, the client goes, or its time is up. A client that does
 * not read holds back only its own watcher, which is closed when too much waits
 * (`cache/watcher.ts`).
 */
export async function streamWatch(context: RequestContext, answer: WatchAnswer): Promise<void> {
  const { signal, audit } = context;
  const { watcher } = answer;
  const close = () => watcher.close();
  const resume = () => watcher.resume();
  const timer = setTimeout(close, answer.timeout_ms);
  let sink: WatchSink | undefined;
  try {
    const opened = await openSink(context, watcher.contentType);
    if (opened === undefined) return;
    const parts = inParts(opened);
    sink = parts;
    audit?.started();
    await new Promise<void>((resolve) => {
      const reader: WatchReader = {
        write: (bytes) => parts.write(bytes),
        end: (whole) => {
          if (whole) parts.end();
          else context.cut();
          resolve();
        },
      };
      signal.addEventListener("abort", close, { once: true });
      parts.onDrain(resume);
      watcher.owner = ownerOf(context).name;
      if (signal.aborted) resolve();
      else watcher.attach(reader);
      context.answered?.();
    });
  } finally {
    clearTimeout(timer);
    sink?.offDrain(resume);
    signal.removeEventListener("abort", close);
    watcher.close();
  }
}

/** Opens the sink; returns undefined if an error was sent to the client. */
async function openSink(
  context: RequestContext,
  contentType: string,
): Promise<WatchSink | undefined> {
  if (context.upgrade && isWebSocket(context.request)) return await openWebSocketSink(context);
  const { response } = context;
  response.writeHead(200, {
    "content-type": contentType,
    "cache-control": "no-cache, private",
    "audit-id": context.id,
  });
  response.flushHeaders();
  return {
    write: (bytes) => response.write(bytes),
    end: () => response.end(),
    onDrain: (resume) => response.on("drain", resume),
    offDrain: (resume) => response.off("drain", resume),
  };
}
