import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { asError, codeOf, messageOf } from "@raft2kube/std/errors.ts";
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
export async function readBody(response: HttpResponse, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > RESPONSE_BYTES_MAX) {
        const limit = `${what}: the answer exceeds ${RESPONSE_BYTES_MAX} bytes`;
        throw new TransportError("ETOOBIG", limit);
      }
      chunks.push(chunk);
    }
  } catch (thrown) {
    if (thrown instanceof TransportError) throw thrown;
    const code = codeOf(thrown) ?? "ETRANSPORT";
    throw new TransportError(code, `${what}: ${messageOf(thrown)}`, { cause: asError(thrown) });
  }
  return Buffer.concat(chunks, bytes).toString("utf8");
}
