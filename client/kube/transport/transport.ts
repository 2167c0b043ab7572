import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { TransportError } from "../errors.ts";
import { RESPONSE_BYTES_MAX } from "../limits.ts";

export interface HttpRequest {
  method: string;
  /** Path and query, already encoded. */
  path: string;
  headers: Record<string, string>;
  /** A stream needs a header for its length, or for its transfer in HTTP/1.1's chunks. */
  body?: string | Buffer | Readable | undefined;
  /** Ends the request, in any stage. */
  signal?: AbortSignal | undefined;
  /** Time until the answer's head has come; until all of it has, in `fetch`. */
  timeout_ms: number;
  /** The longest answer that `fetch` takes; default `RESPONSE_BYTES_MAX`. */
  bytes_max?: number | undefined;
}

export interface HttpResponse<Body extends Readable | Buffer = Readable> {
  status: number;
  headers: IncomingHttpHeaders;
  body: Body;
}

/** The transport of a KubeClient: HTTP exchanges, many at a time. */
export interface Transport {
  /** Resolves with the answer's head; its body can be read then. */
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Resolves with the whole answer; fails if it exceeds `bytes_max`. */
  fetch(request: HttpRequest): Promise<HttpResponse<Buffer>>;
  close(): void;
}

/** Collects what a stream has; it is destroyed above `bytes_max`. */
export function collect(
  stream: Readable,
  what: string,
  ended: (body: Buffer) => void,
  bytes_max = RESPONSE_BYTES_MAX,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes <= bytes_max) return;
    const limit = `${what}: the answer exceeds ${bytes_max} bytes`;
    stream.destroy(new TransportError("ETOOBIG", limit));
  });
  stream.once("end", () => ended(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes)));
}

/** The whole body; fails above `bytes_max` or, through `signal`, on a deadline. */
export function readBody(
  { body }: HttpResponse,
  what: string,
  bytes_max?: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    collect(body, what, resolve, bytes_max);
    body.once("error", (error) => reject(bodyError(error, what)));
    body.once("close", () => {
      if (!body.readableEnded && !body.errored) reject(bodyError(undefined, what));
    });
  });
}

function bodyError(cause: Error | undefined, what: string): TransportError {
  if (cause instanceof TransportError) return cause;
  const message = cause ? messageOf(cause) : "the answer broke off";
  return new TransportError(codeOf(cause) ?? "ETRANSPORT", `${what}: ${message}`, { cause });
}
