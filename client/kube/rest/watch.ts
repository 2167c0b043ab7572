import { asError, codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { KubeError, type Status, TransportError } from "../errors.ts";
import { WATCH_LINE_BYTES_MAX } from "../limits.ts";
import type { KubeObject } from "../object/object.ts";
import type { HttpResponse } from "../transport/transport.ts";
import type { KubeRequester } from "./request.ts";

/** A change. Of a bookmark only `metadata.resourceVersion` (and annotations) mean something. */
export type WatchEvent<T> = { type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; object: T };

/**
 * Events in the order of the server. An ERROR event ends it as a KubeError (Expired: list again).
 */
export interface WatchStream<T> extends AsyncIterable<WatchEvent<T>> {
  close(): void;
}

/** Opens a watch at `path` and reads its events, one JSON object per line. */
export function watchStream<T extends KubeObject>(
  client: KubeRequester,
  request: { path: string; accept?: string | undefined; signal?: AbortSignal | undefined },
): WatchStream<T> {
  const end = new AbortController();
  const signal = request.signal ? AbortSignal.any([request.signal, end.signal]) : end.signal;
  const { path, accept } = request;
  return {
    async *[Symbol.asyncIterator]() {
      try {
        const response = await client.open({ method: "GET", path, accept, signal });
        for await (const lines of linesOf(response, path)) {
          for (const line of lines) yield eventOf<T>(line, path);
        }
      } catch (thrown) {
        if (!signal.aborted) throw thrown;
      } finally {
        end.abort();
      }
    },
    close: () => end.abort(),
  };
}

/** The whole lines of each chunk: a step of an asynchronous generator for each line costs more. */
async function* linesOf(response: HttpResponse, what: string): AsyncIterable<string[]> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      const pieces = decoder.decode(chunk, { stream: true }).split("\n");
      pieces[0] = rest + (pieces[0] ?? "");
      rest = pieces.pop() ?? "";
      if (rest.length > WATCH_LINE_BYTES_MAX) {
        const message = `${what}: an event exceeds ${WATCH_LINE_BYTES_MAX} bytes`;
        throw new TransportError("ETOOBIG", message);
      }
      yield pieces.filter((piece) => piece !== "");
    }
  } catch (thrown) {
    if (thrown instanceof TransportError || thrown instanceof KubeError) throw thrown;
    const code = codeOf(thrown) ?? "ETRANSPORT";
    const message = `${what}: the watch broke off: ${messageOf(thrown)}`;
    throw new TransportError(code, message, { cause: asError(thrown) });
  }
}

function eventOf<T>(line: string, what: string): WatchEvent<T> {
  let event: { type: string; object: unknown };
  try {
    event = JSON.parse(line) as { type: string; object: unknown };
  } catch (thrown) {
    const message = `${what}: an event is not JSON`;
    throw new TransportError("EBADANSWER", message, { cause: thrown });
  }
  switch (event.type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
    case "BOOKMARK":
      return { type: event.type, object: event.object as T };
    case "ERROR":
      throw new KubeError(event.object as Status);
    default:
      throw new TransportError("EBADANSWER", `${what}: unknown watch event ${event.type}`);
  }
}
