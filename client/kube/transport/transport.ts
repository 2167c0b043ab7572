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
  body?: string | Buffer | undefined;
  /** Ends the request, whatever it is doing. */
  signal?: AbortSignal | undefined;
  /** Until the answer's head has come; the body has no limit here. */
  timeout_ms: number;
}

export interface HttpResponse {
  status: number;
  headers: IncomingHttpHeaders;
  body: Readable;
}

/** The transport of a KubeClient: HTTP exchanges, many at a time. */
export interface Transport {
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

/** The whole body as text; fails above `RESPONSE_BYTES_MAX` or, through `signal`, on a deadline. */
export function readBody({ body }: HttpResponse, what: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    body.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= RESPONSE_BYTES_MAX) return;
      const limit = `${what}: the answer exceeds ${RESPONSE_BYTES_MAX} bytes`;
      body.destroy(new TransportError("ETOOBIG", limit));
    });
    body.once("end", () => resolve(Buffer.concat(chunks, bytes).toString("utf8")));
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
