import { once } from "node:events";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { WatchItem } from "../cache/event.ts";
import { notAcceptable } from "../errors/catalog.ts";
import { apiVersionOf } from "../registry/group-version.ts";
import type { Answer } from "./answer.ts";
import { headerOf, type RequestContext } from "./context.ts";
import { JSON_TYPE, negotiate } from "./negotiate.ts";
import { Transformer } from "./transform.ts";

type WatchAnswer = Extract<Answer, { type: "watch" }>;

/**
 * Writes a watcher's events until it ends, the client goes, or its time is up. A client that does
 * not read holds back only its own watcher, which is closed when too much waits (`cache/watcher.ts`).
 */
export async function streamWatch(
  context: RequestContext, answer: WatchAnswer, now: () => number,
): Promise<void> {
  const { response, signal } = context;
  const { watcher, kind } = answer;
  const accept = headerOf(context.request, "accept");
  const negotiated = negotiate(accept, context.query, { protobuf: false, transforms: true });
  if (negotiated.type !== JSON_TYPE) throw notAcceptable([JSON_TYPE]);
  const transformer = new Transformer(kind, negotiated.transform, context.query, now);
  const stop = () => watcher.close();
  signal.addEventListener("abort", stop, { once: true });
  const timer = setTimeout(stop, answer.timeout_ms);
  try {
    response.writeHead(200, {
      "content-type": JSON_TYPE,
      "cache-control": "no-cache, private",
      "audit-id": context.id,
    });
    response.flushHeaders();
    for await (const item of watcher) {
      if (signal.aborted) break;
      const flowing = response.write(encodeItem(item, transformer, kind));
      if (!flowing && !signal.aborted) await drained(context);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    watcher.close();
    response.end();
  }
}

async function drained(context: RequestContext): Promise<void> {
  try {
    await once(context.response, "drain", { signal: context.signal });
  } catch (thrown) {
    // Only the client's leaving ends the wait early; the loop sees the signal.
    if (!context.signal.aborted) throw thrown;
  }
}

type KindOf = WatchAnswer["kind"];

/** One event as a line of JSON; the bytes are made once and shared by watchers of the same form. */
function encodeItem(item: WatchItem, transformer: Transformer, kind: KindOf): Buffer {
  if (item.type === "ERROR") return line("ERROR", JSON.stringify(item.status));
  if (item.type === "BOOKMARK") return line("BOOKMARK", bookmark(item, transformer, kind));
  const id = `${item.type} ${transformer.id}`;
  let bytes = item.shared?.get(id);
  if (bytes === undefined) {
    bytes = transformer.id === ""
      ? Buffer.concat([Buffer.from(`{"type":"${item.type}","object":`), item.entry.body, LINE_END])
      : line(item.type, JSON.stringify(transformer.one(item.entry.object())));
    item.shared?.set(id, bytes);
  }
  return bytes;
}

const LINE_END = Buffer.from("}\n");

function line(type: string, object: string): Buffer {
  return Buffer.from(`{"type":"${type}","object":${object}}\n`);
}

function bookmark(
  item: Extract<WatchItem, { type: "BOOKMARK" }>, transformer: Transformer, kind: KindOf,
): string {
  const object: KubeObject = {
    kind: kind.kind,
    apiVersion: apiVersionOf(kind),
    metadata: {
      resourceVersion: String(item.revision),
      ...(item.initialEventsEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}),
    },
  };
  return JSON.stringify(transformer.bookmark(object));
}
