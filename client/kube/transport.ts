import * as http from "node:http";
import * as https from "node:https";
import type { Clock } from "@raft2kube/std/clock.ts";
import { asError, codeOf, messageOf } from "@raft2kube/std/errors.ts";
import type { KubeConnection } from "./credentials.ts";
import { TransportError } from "./errors.ts";
import { RESPONSE_BYTES_MAX, SOCKETS_MAX } from "./limits.ts";

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
  headers: http.IncomingHttpHeaders;
  body: http.IncomingMessage;
}

/** What a KubeClient stands on: one HTTP exchange at a time, many side by side. */
export interface Transport {
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

/** HTTP/1.1 over TLS (or plain, for `http://`), connections kept for the next request. */
export function httpTransport(connection: KubeConnection, clock: Clock): Transport {
  const url = new URL(connection.server);
  const secure = url.protocol === "https:";
  const pool = { keepAlive: true, maxSockets: SOCKETS_MAX, maxFreeSockets: 8 };
  const agent = secure
    ? new https.Agent({ ...pool, ...tlsOptions(connection), maxCachedSessions: 4 })
    : new http.Agent(pool);
  const request = secure ? https.request : http.request;
  const prefix = url.pathname.replace(/\/$/, "");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port || (secure ? 443 : 80);
  return {
    send({ method, path, headers, body, signal, timeout_ms }) {
      return new Promise((resolve, reject) => {
        const target = { host, port, agent, method, path: prefix + path, headers };
        const call = request(target);
        const canceled = () => new TransportError("ECANCELED", `${method} ${path}: canceled`);
        const abort = () => call.destroy(canceled());
        const timer = clock.after(timeout_ms, () => {
          const message = `${method} ${path}: no answer within ${timeout_ms} ms`;
          call.destroy(new TransportError("ETIMEDOUT", message));
        });
        call.once("response", (answer) => {
          timer.cancel();
          answer.once("close", () => signal?.removeEventListener("abort", abort));
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
        });
        call.once("error", (error) => {
          timer.cancel();
          signal?.removeEventListener("abort", abort);
          reject(transportError(error, `${method} ${connection.server}${path}`, call.reusedSocket));
        });
        if (signal?.aborted) return abort();
        signal?.addEventListener("abort", abort, { once: true });
        call.end(body);
      });
    },
    close: () => agent.destroy(),
  };
}

function tlsOptions(connection: KubeConnection): https.AgentOptions {
  const options: https.AgentOptions = { minVersion: "TLSv1.2" };
  if (connection.ca !== undefined) options.ca = connection.ca;
  if (connection.cert !== undefined) options.cert = connection.cert;
  if (connection.key !== undefined) options.key = connection.key;
  if (connection.tlsServerName !== undefined) options.servername = connection.tlsServerName;
  return options;
}

/**
 * A kept connection that the server was closing meanwhile: a request that only reads may go again.
 */
export const STALE_CONNECTION = "ESTALECONNECTION";

function transportError(error: Error, what: string, reused: boolean): TransportError {
  if (error instanceof TransportError) return error;
  const stale = reused && codeOf(error) === "ECONNRESET";
  const code = stale ? STALE_CONNECTION : (codeOf(error) ?? "ETRANSPORT");
  return new TransportError(code, `${what}: ${error.message}`, { cause: error });
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
