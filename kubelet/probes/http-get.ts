import http from "node:http";
import https from "node:https";
import { GET_MS_MAX, PROBE_OUTPUT_BYTES_MAX } from "../limits.ts";
import type { HttpTarget } from "./handler-address.ts";

/** The first bytes of an answer. */
export interface HttpAnswer {
  status: number;
  location: string | undefined;
  body: string;
}

/**
 * One GET on a connection of its own, without checking certificates, as probes and hooks do it.
 * Rejects with the socket's error, or with ETIMEDOUT's text after `timeout_ms`.
 */
export function httpGet(
  target: HttpTarget,
  options: { timeout_ms: number; userAgent: string; signal?: AbortSignal },
): Promise<HttpAnswer> {
  const { scheme, host, port, path, headers } = target;
  const signals = [AbortSignal.timeout(Math.min(options.timeout_ms, GET_MS_MAX))];
  if (options.signal) signals.push(options.signal);
  return new Promise((resolve, reject) => {
    const request = (scheme === "https" ? https : http).request({
      host,
      port,
      path,
      method: "GET",
      agent: false,
      rejectUnauthorized: false,
      signal: AbortSignal.any(signals),
      headers: headerMap(headers, options.userAgent),
    });
    request.on("error", (error) => reject(explain(error, target)));
    // An answer that switches protocols is an answer, of a server that was asked for no other.
    request.on("upgrade", (response, socket) => {
      socket.on("error", () => undefined);
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, location: undefined, body: "" });
    });
    request.on("close", () => reject(explain(new Error("the connection was closed"), target)));
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
      response.on("error", (error) => reject(explain(error, target)));
    });
    request.end();
  });
}

function headerMap(headers: [string, string][], userAgent: string): Record<string, string> {
  const own = { "user-agent": userAgent, accept: "*/*", connection: "close" };
  const map: Record<string, string> = own;
  for (const [name, value] of headers) map[name.toLowerCase()] = value;
  return map;
}

/** Upstream's wording, which users grep for. */
function explain(error: Error, { scheme, host, port, path }: HttpTarget): Error {
  const url = `${scheme}://${host}:${port}${path}`;
  const late = error.name === "AbortError" || error.name === "TimeoutError";
  const why = late ? "context deadline exceeded (Client.Timeout exceeded)" : error.message;
  return new Error(`Get "${url}": ${why}`, { cause: error });
}
