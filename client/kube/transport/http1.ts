import * as http from "node:http";
import * as https from "node:https";
import { pipeline, Readable } from "node:stream";
import type { Clock } from "@raft2kube/std/clock.ts";
import { codeOf } from "@raft2kube/std/errors.ts";
import { requirePlainAnswer } from "@raft2kube/streaming/interim.ts";
import { STALE_CONNECTION, TransportError } from "../errors.ts";
import { SOCKETS_MAX } from "../limits.ts";
import { pairReader } from "./client-pair.ts";
import type { KubeConnection } from "./credentials.ts";
import { type HttpRequest, type HttpResponse, readBody, type Transport } from "./transport.ts";

/** HTTP/1.1; an agent that keeps connections for the next request, or another `agent`, has them. */
export function http1Transport(
  connection: KubeConnection,
  clock: Clock,
  agent = agentOf(connection, { keepAlive: true, maxSockets: SOCKETS_MAX, maxFreeSockets: 8 }),
): Transport {
  const url = new URL(connection.server);
  const secure = url.protocol === "https:";
  const prefix = url.pathname.replace(/\/$/, "");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port || (secure ? 443 : 80);
  const { tlsServerName: servername } = connection;
  const pair = secure ? pairReader(connection, clock) : () => ({});
  const to = { host, port, agent, ...(servername ? { servername } : {}) };
  const send = (
    { method, path, headers, body, signal, timeout_ms }: HttpRequest,
    whole: boolean,
  ): Promise<HttpResponse> =>
    new Promise((resolve, reject) => {
      const what = `${method} ${connection.server}${path}`;
      const { request } = secure ? https : http;
      const call = request({ ...to, ...pair(), method, path: prefix + path, headers });
      requirePlainAnswer(call);
      let answered: http.IncomingMessage | undefined;
      // Not `call` once there is an answer: Node would end a body of unknown length as if whole.
      const abort = () => {
        (answered ?? call).destroy(new TransportError("ECANCELED", `${what}: canceled`));
      };
      const timer = clock.after(timeout_ms, () => {
        const message = `${what}: no answer within ${timeout_ms} ms`;
        (answered ?? call).destroy(new TransportError("ETIMEDOUT", message));
      });
      call.once("response", (answer) => {
        answered = answer;
        if (!whole) timer.cancel();
        answer.once("close", () => {
          timer.cancel();
          signal?.removeEventListener("abort", abort);
        });
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
      });
      call.on("error", (error) => {
        timer.cancel();
        signal?.removeEventListener("abort", abort);
        reject(transportError(error, what, call.reusedSocket));
      });
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort, { once: true });
      if (body instanceof Readable) pipeline(body, call, () => undefined);
      else call.end(body);
    });
  return {
    send: (request) => send(request, false),
    async fetch(request) {
      const response = await send(request, true);
      const what = `${request.method} ${connection.server}${request.path}`;
      return { ...response, body: await readBody(response, what, request.bytes_max) };
    },
    close: () => agent.destroy(),
  };
}

/** Returns what has the connections to a server; each is of the certificate of its requests. */
export function agentOf({ server, ca }: KubeConnection, options: https.AgentOptions) {
  const secure = server.startsWith("https:");
  return secure ? new https.Agent({ ...options, ca }) : new http.Agent(options);
}

function transportError(error: Error, what: string, reused: boolean): TransportError {
  if (error instanceof TransportError) return error;
  const stale = reused && codeOf(error) === "ECONNRESET";
  const code = stale ? STALE_CONNECTION : (codeOf(error) ?? "ETRANSPORT");
  return new TransportError(code, `${what}: ${error.message}`, { cause: error });
}
