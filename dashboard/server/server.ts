import { randomBytes } from "node:crypto";
import {
  type IncomingMessage, type Server, type ServerResponse, createServer,
} from "node:http";
import type { AddressInfo } from "node:net";
import { Transform, pipeline } from "node:stream";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Assets } from "../build.ts";
import { BODY_BYTES_MAX, TICKET_CHARS_MAX } from "../limits.ts";
import { Forwards } from "./forwards.ts";
import { SAFE_HEADERS, SANDBOXED, isSame, judge, pageHeaders } from "./gate.ts";
import { Streams } from "./streams.ts";
import type { Upstream } from "./upstream.ts";

/** Headers of a request that reach the API server; the session is not among them. */
const PASSED = ["accept", "content-type", "content-length"];

/** Serves the page on the loopback address, and passes its requests to the API server. */
export class DashboardServer {
  readonly #upstream: Upstream;
  readonly #assets: Assets;
  readonly #server: Server;
  readonly #streams: Streams;
  readonly #forwards: Forwards;
  readonly #session = randomBytes(32).toString("base64url");
  /** The secret of the link, until a browser has used it. */
  #ticket: string | undefined = randomBytes(32).toString("base64url");

  private constructor(upstream: Upstream, assets: Assets) {
    this.#upstream = upstream;
    this.#assets = assets;
    this.#streams = new Streams(upstream);
    this.#forwards = new Forwards(upstream);
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((thrown: unknown) => {
        if (response.headersSent) return response.destroy();
        status(response, 502, `the API server does not answer: ${messageOf(thrown)}`);
      });
    });
    this.#server.on("upgrade", (request, socket, head) => {
      socket.on("error", () => socket.destroy());
      const refusal = this.#judge(request, true);
      if (!refusal) return this.#streams.serve(request, socket, head);
      socket.end(`HTTP/1.1 ${refusal.status} Refused\r\nConnection: close\r\n\r\n`);
    });
  }

  /** Listens on a port of 127.0.0.1, a free one for 0. */
  static async listen(upstream: Upstream, assets: Assets, port: number): Promise<DashboardServer> {
    const made = new DashboardServer(upstream, assets);
    await new Promise<void>((resolve, reject) => {
      made.#server.once("error", reject);
      made.#server.listen(port, "127.0.0.1", resolve);
    });
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The link that opens the page in one browser, once. */
  get link(): string {
    return `http://127.0.0.1:${this.port}/#ticket=${this.#ticket ?? "used"}`;
  }

  close(): Promise<void> {
    this.#streams.close();
    this.#forwards.close();
    this.#upstream.close();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #judge(request: IncomingMessage, isUpgrade: boolean): ReturnType<typeof judge> {
    const { method = "GET", headers } = request;
    return judge({ method, path: pathOf(request), headers, isUpgrade }, this.port, this.#session);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => response.destroy());
    const refusal = this.#judge(request, false);
    if (refusal) return status(response, refusal.status, refusal.why);
    const path = pathOf(request);
    if (path.startsWith("/kube/")) return await this.#pass(request, response);
    if (path === "/forwards" || path.startsWith("/forwards/")) {
      return await this.#forward(request, response);
    }
    if (path === "/login" && request.method === "POST") return this.#login(request, response);
    if (request.method !== "GET") return status(response, 405, "GET alone");
    if (path === "/") return page(response);
    const asset = this.#assets.get(path.slice(1));
    if (!asset) return status(response, 404, "there is nothing here");
    const { type, gzip } = asset;
    const headers = { ...SAFE_HEADERS, "content-type": type, "content-encoding": "gzip" };
    response.writeHead(200, headers).end(gzip);
  }

  /** Exchanges the link's secret, once, for the session's. */
  async #login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let given = "";
    for await (const part of request.setEncoding("utf8")) {
      given += part as string;
      if (given.length > TICKET_CHARS_MAX) break;
    }
    if (this.#ticket === undefined || !isSame(given, this.#ticket)) {
      return status(response, 401, "this link was used: run `r2k dashboard` again");
    }
    this.#ticket = undefined;
    response.writeHead(200, { ...SAFE_HEADERS, "content-type": "text/plain" }).end(this.#session);
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const headers: Record<string, string> = {};
    for (const name of PASSED) {
      const value = request.headers[name];
      if (typeof value === "string") headers[name] = value;
    }
    const { method = "GET" } = request;
    const body = method === "GET" ? undefined : request.pipe(bounded(request));
    const path = request.url!.slice("/kube".length);
    const answer = await this.#upstream.send(method, path, headers, body);
    response.writeHead(answer.statusCode ?? 502, {
      ...SAFE_HEADERS, "content-security-policy": SANDBOXED,
      "content-type": answer.headers["content-type"] ?? "text/plain",
      ...(answer.headers["date"] ? { "x-server-date": answer.headers["date"] } : {}),
    });
    pipeline(answer, response, () => answer.destroy());
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, namespace, pod, port] =
      /^\/forwards\/([^/]+)\/([^/]+)\/(\d+)$/.exec(pathOf(request)) ?? [];
    const local = /^\/forwards\/(\d+)$/.exec(pathOf(request))?.[1];
    if (request.method === "DELETE" && local) this.#forwards.remove(Number(local));
    if (request.method === "POST" && namespace && pod && port) {
      const made = await this.#forwards.add(namespace, pod, Number(port));
      if (!made) return status(response, 503, "too many ports are forwarded: end one");
    }
    const json = { ...SAFE_HEADERS, "content-type": "application/json" };
    response.writeHead(200, json).end(JSON.stringify(this.#forwards.list()));
  }
}

const pathOf = ({ url = "/" }: IncomingMessage): string => url.split("?")[0]!;

/** Ends a request whose body is too large. */
function bounded(request: IncomingMessage): Transform {
  let bytes = 0;
  const counter = new Transform({
    transform(part: Buffer, _, done) {
      bytes += part.length;
      if (bytes > BODY_BYTES_MAX) request.destroy();
      done(undefined, part);
    },
  });
  return counter.on("error", () => request.destroy());
}

/** The nonce is for the terminal, whose library writes a style sheet. */
function page(response: ServerResponse): void {
  const nonce = randomBytes(16).toString("base64");
  const headers = { ...pageHeaders(nonce), "content-type": "text/html; charset=utf-8" };
  response.writeHead(200, headers).end([
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>raft2kube</title>',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<link rel="icon" href="data:,"><link rel="stylesheet" href="/main.css">',
    `<div id="app"></div><script type="module" src="/main.js" nonce="${nonce}"></script></html>`,
  ].join("\n"));
}

/** A failure in the API's own form, which the page shows. */
function status(response: ServerResponse, code: number, message: string): void {
  response.writeHead(code, { ...SAFE_HEADERS, "content-type": "application/json" });
  response.end(`${JSON.stringify({ kind: "Status", status: "Failure", code, message })}\n`);
}
