import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import type { Clock } from "@raft2kube/std/clock.ts";
import { asError, codeOf, messageOf } from "@raft2kube/std/errors.ts";
import type { KubeConnection } from "./credentials.ts";
import { TransportError } from "../errors.ts";
import { http1Transport } from "./http1.ts";
import { http2Transport } from "./http2.ts";
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

/** What a KubeClient stands on: one HTTP exchange at a time, many side by side. */
export interface Transport {
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

/**
 * The usual transport of a connection: HTTP/2 over TLS, so that all watches of a client share one
 * connection; HTTP/1.1 for `http://`, which only tests and `kubectl proxy` have.
 */
export function httpTransport(connection: KubeConnection, clock: Clock): Transport {
  const secure = new URL(connection.server).protocol === "https:";
  return secure ? http2Transport(connection, clock) : http1Transport(connection, clock);
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
