import http from "node:http";
import https from "node:https";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { systemClock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { SHORT_TURN_MS } from "@raft2kube/std/limits.ts";
import { boundInterimAnswers } from "@raft2kube/streaming/interim.ts";
import { PacedSocket } from "@raft2kube/streaming/paced-socket.ts";
import { GET_MS_MAX, PROBE_OUTPUT_BYTES_MAX } from "../limits.ts";
import type { HttpTarget } from "./handler-address.ts";

/** A GET got no answer. The message has upstream's wording, which users grep for. */
export class HttpGetError extends CodedError {
  constructor({ scheme, host, port, path }: HttpTarget, why: string, cause?: Error) {
    const late = cause?.name === "AbortError" || cause?.name === "TimeoutError";
    const text = late ? "context deadline exceeded (Client.Timeout exceeded)" : why;
    const remedy = "check the port and the path of the probe or hook, and the container's log";
    super("NO_ANSWER", `Get "${scheme}://${host}:${port}${path}": ${text}`, { remedy, cause });
  }
}

/** The turns that all answers share: many pods may send theirs together. */
export const probeTurns = new InputTurns(systemClock(), SHORT_TURN_MS);

/** The beginning of a response. */
export type HttpAnswer = { status: number; location: string | undefined; body: string };

/**
 * Sends one GET on a new connection, without checking certificates, as probes and hooks do. Rejects
 * with HttpGetError when there is no response within `timeout_ms`.
 */
export function httpGet(
  target: HttpTarget,
  options: { timeout_ms: number; userAgent: string; signal?: AbortSignal },
): Promise<HttpAnswer> {
  const { scheme, host, port, path, headers } = target;
  const signals = [AbortSignal.timeout(Math.min(options.timeout_ms, GET_MS_MAX))];
  if (options.signal) signals.push(options.signal);
  return new Promise((resolve, reject) => {
    let socket: PacedSocket | undefined;
    const request = (scheme === "https" ? https : http).request({
      host,
      port,
      path,
      method: "GET",
      createConnection: () => (socket = new PacedSocket(dial(target), probeTurns)),
      signal: AbortSignal.any(signals),
      headers: headerMap(headers, options.userAgent),
    });
    boundInterimAnswers(request);
    const fail = (error: Error) => reject(new HttpGetError(target, error.message, error));
    request.on("error", fail);
    // A response that switches protocols is a response, although none was requested.
    request.on("upgrade", (response, switched) => {
      switched.on("error", () => undefined);
      switched.destroy();
      resolve({ status: response.statusCode ?? 0, location: undefined, body: "" });
    });
    request.on("close", () => {
      // A header of the probe's own may keep it alive, for no other request.
      socket?.destroy();
      reject(new HttpGetError(target, "the connection was closed"));
    });
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const done = () => {
        const body = Buffer.concat(chunks).toString("utf8");
        resolve({ status: response.statusCode ?? 0, location: response.headers.location, body });
      };
      response.on("data", (chunk: Buffer) => {
        if (size < PROBE_OUTPUT_BYTES_MAX) chunks.push(chunk);
        size += chunk.length;
        if (size < PROBE_OUTPUT_BYTES_MAX) return;
        done();
        request.destroy();
      });
      response.on("end", done);
      response.on("error", fail);
    });
    request.end();
  });
}

/** Opens a connection for one GET. */
function dial({ scheme, host, port }: HttpTarget): Socket {
  const servername = isIP(host) ? "" : host;
  const socket =
    scheme === "https"
      ? connectTls({ host, port, servername, rejectUnauthorized: false })
      : connect({ host, port });
  socket.on("error", () => socket.destroy());
  return socket;
}

function headerMap(headers: [string, string][], userAgent: string): Record<string, string> {
  const own = { "user-agent": userAgent, accept: "*/*", connection: "close" };
  const map: Record<string, string> = own;
  for (const [name, value] of headers) map[name.toLowerCase()] = value;
  return map;
}
