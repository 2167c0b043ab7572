import * as http from "node:http";
import type { Clock } from "@raft2kube/std/clock.ts";
import { codeOf } from "@raft2kube/std/errors.ts";
import { STALE_CONNECTION, TransportError } from "../errors.ts";
import { SOCKETS_MAX } from "../limits.ts";
import type { KubeConnection } from "./credentials.ts";
import { type HttpRequest, type HttpResponse, readBody, type Transport } from "./transport.ts";

/** HTTP/1.1 without TLS, connections kept for the next request. */
export function http1Transport(connection: KubeConnection, clock: Clock): Transport {
  const url = new URL(connection.server);
  const agent = new http.Agent({ keepAlive: true, maxSockets: SOCKETS_MAX, maxFreeSockets: 8 });
  const prefix = url.pathname.replace(/\/$/, "");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port || 80;
  const send = (
    { method, path, headers, body, signal, timeout_ms }: HttpRequest,
    whole: boolean,
  ): Promise<HttpResponse> =>
    new Promise((resolve, reject) => {
      const what = `${method} ${connection.server}${path}`;
      const call = http.request({ host, port, agent, method, path: prefix + path, headers });
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
      call.end(body);
    });
  return {
    send: (request) => send(request, false),
    async fetch(request) {
      const response = await send(request, true);
      const what = `${request.method} ${connection.server}${request.path}`;
      return { ...response, body: await readBody(response, what) };
    },
    close: () => agent.destroy(),
  };
}

function transportError(error: Error, what: string, reused: boolean): TransportError {
  if (error instanceof TransportError) return error;
  const stale = reused && codeOf(error) === "ECONNRESET";
  const code = stale ? STALE_CONNECTION : (codeOf(error) ?? "ETRANSPORT");
  return new TransportError(code, `${what}: ${error.message}`, { cause: error });
}
