import { once } from "node:events";
import type { Watcher } from "../cache/watcher.ts";
import { notAcceptable } from "../errors/catalog.ts";
import type { Answer } from "./answer.ts";
import { headerOf, type RequestContext } from "./context.ts";
import { JSON_TYPE, negotiate, PROTOBUF_TYPE, YAML_TYPE } from "./negotiate.ts";
import { Transformer } from "./transform.ts";
import { jsonWatchEncoder, protobufWatchEncoder, type WatchEncoder } from "./watch-encoding.ts";

type WatchAnswer = Extract<Answer, { type: "watch" }>;

/**
 * Writes a watcher's events until it ends, the client goes, or its time is up. A client that does
 * not read holds back only its own watcher, which is closed when too much waits
 * (`cache/watcher.ts`).
 */
export async function streamWatch(
  context: RequestContext,
  answer: WatchAnswer,
  now: () => number,
): Promise<void> {
  const { response, signal } = context;
  const { watcher } = answer;
  const stop = () => watcher.close();
  signal.addEventListener("abort", stop, { once: true });
  const timer = setTimeout(stop, answer.timeout_ms);
  try {
    const encoder = encoderFor(context, answer, now);
    response.writeHead(200, {
      "content-type": encoder.contentType,
      "cache-control": "no-cache, private",
      "audit-id": context.id,
    });
    response.flushHeaders();
    for await (const item of watcher) {
      if (signal.aborted) break;
      const flowing = response.write(encoder.encode(item));
      if (!flowing && !(await drained(context, watcher))) return context.cut();
    }
    response.end();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    watcher.close();
  }
}

function encoderFor(context: RequestContext, answer: WatchAnswer, now: () => number): WatchEncoder {
  const { kind } = answer;
  const accept = headerOf(context.request, "accept");
  const negotiated = negotiate(accept, context.query, { protobuf: true, transforms: true });
  if (negotiated.type === YAML_TYPE) throw notAcceptable([JSON_TYPE, PROTOBUF_TYPE]);
  if (negotiated.type === PROTOBUF_TYPE) return protobufWatchEncoder(kind);
  return jsonWatchEncoder(kind, new Transformer(kind, negotiated.transform, context.query, now));
}

/** False when the watch ended before the client read what was sent: it gets no more. */
async function drained(context: RequestContext, watcher: Watcher): Promise<boolean> {
  const signal = AbortSignal.any([context.signal, watcher.ended]);
  try {
    await once(context.response, "drain", { signal });
    return true;
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
    return false;
  }
}
