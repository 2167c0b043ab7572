import { randomBytes } from "node:crypto";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { type Duplex, pipeline, Transform } from "node:stream";
import { messageOf } from "@raft2kube/std/errors.ts";
import { endRefused } from "@raft2kube/streaming/upgrade.ts";
import { BODY_BYTES_MAX, CONNECTIONS_MAX, HEAD_BYTES_MAX, TOKEN_CHARS_MAX } from "../limits.ts";
import type { Access, Session } from "./access.ts";
import type { Assets } from "./assets.ts";
import { judge, pageHeaders, SAFE_HEADERS, SANDBOXED } from "./gate.ts";
import { Streams } from "./streams.ts";
import { textOf } from "./upstream.ts";

/** Headers that reach the API server; those of the session and of framing are not among them. */
const PASSED = ["accept", "content-type"];
const BODILESS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Where a server listens; with a certificate it speaks TLS. */
export interface Listen {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** Serves the page, and passes its requests to the API server with the rights of their session. */
export class DashboardServer {
  readonly #access: Access;
  readonly #assets: Assets;
  readonly #server: Server;
  readonly #scheme: "http" | "https";
  readonly #streams: Streams;

  private constructor(access: Access, assets: Assets, tls: Listen["tls"]) {
    this.#access = access;
    this.#assets = assets;
    this.#streams = new Streams(access.underWay.streams);
    this.#scheme = tls ? "https" : "http";
    const serve: RequestListener = (request, response) => {
      this.#serve(request, response).catch((thrown: unknown) => {
        if (response.headersSent) return response.destroy();
        status(response, 502, `the API server does not answer: ${messageOf(thrown)}`);
      });
    };
    const options = { maxHeaderSize: HEAD_BYTES_MAX };
    this.#server = tls
      ? createTlsServer({ ...options, ...tls }, serve)
      : createServer(options, serve);
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on("upgrade", (request, socket, head) => {
      socket.on("error", () => socket.destroy());
      this.#upgrade(request, socket, head).catch(() => socket.destroy());
    });
  }

  /** Listens, by default on a free port of 127.0.0.1. */
  static async listen(
    access: Access,
    assets: Assets,
    { host, port, tls }: Listen = { host: "127.0.0.1", port: 0 },
  ): Promise<DashboardServer> {
    const made = new DashboardServer(access, assets, tls);
    await new Promise<void>((resolve, reject) => {
      made.#server.once("error", reject);
      made.#server.listen(port, host, resolve);
    });
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The address that opens the page in a browser of this machine. */
  get link(): string {
    return this.#access.link(`${this.#scheme}://127.0.0.1:${this.port}`);
  }

  close(): Promise<void> {
    this.#streams.close();
    this.#access.close();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #judge(request: IncomingMessage, isUpgrade: boolean): ReturnType<typeof judge> {
    const { method = "GET", headers } = request;
    return judge({ method, path: pathOf(request), headers, isUpgrade }, this.#access, this.port);
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const judged = await this.#judge(request, true);
    if (socket.destroyed) return;
    const { session } = "session" in judged ? judged : {};
    if (session) return this.#streams.serve(request, socket, head, session);
    const code = "status" in judged ? judged.status : 403;
    endRefused(socket, `HTTP/1.1 ${code} Refused\r\nConnection: close\r\n\r\n`);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => response.destroy());
    const judged = await this.#judge(request, false);
    // The client may be gone by now: its `close` does not come again.
    if (request.socket.destroyed) return;
    if ("status" in judged) return status(response, judged.status, judged.why);
    const { method = "GET" } = request;
    if (BODILESS.has(method) && framingOf(request.headers)) {
      // The next bytes may be the body, or a request of another user of a proxy.
      response.setHeader("connection", "close");
      return status(response, 400, `a ${method} has no body`);
    }
    const path = pathOf(request);
    const { session } = judged;
    if (path.startsWith("/kube/") && session) return await this.#pass(request, response, session);
    if (path === "/forwards" || path.startsWith("/forwards/")) {
      return await this.#forward(request, response);
    }
    if (path === "/login" && method === "POST") return this.#login(request, response);
    if (method !== "GET") return status(response, 405, "GET alone");
    if (path === "/") return page(response, this.#access.login, this.#assets);
    const asset = this.#assets.get(path.slice(1));
    if (!asset) return status(response, 404, "there is nothing here");
    const { type, gzip } = asset;
    const headers = { ...SAFE_HEADERS, "content-type": type, "content-encoding": "gzip" };
    response.writeHead(200, headers).end(gzip);
  }

  /** Exchanges a link's ticket, or a person's token, for a session's secret. */
  async #login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const given = await textOf(request, TOKEN_CHARS_MAX);
    const owner = { name: request.socket.remoteAddress ?? "" };
    const { login } = this.#access;
    const { logins } = this.#access.underWay;
    if (!logins.fits(owner)) return status(response, 429, "many are signing in: try again");
    const secret = await this.#access.signIn(given).finally(logins.take(owner));
    if (secret === undefined) {
      return status(
        response,
        401,
        login === "link"
          ? "this link was used: run `r2k dashboard` again"
          : "the API server does not accept this token",
      );
    }
    response.writeHead(200, { ...SAFE_HEADERS, "content-type": "text/plain" }).end(secret);
  }

  /** Passes a request to the API server, and its answer back. */
  async #pass(
    request: IncomingMessage,
    response: ServerResponse,
    { user, upstream }: Session,
  ): Promise<void> {
    const { requests } = this.#access.underWay;
    const owner = { name: user };
    if (!requests.fits(owner)) {
      return status(response, 429, "too many requests of this user are under way: end some");
    }
    const giveBack = requests.take(owner);
    const gone = new AbortController();
    response.once("close", () => {
      gone.abort();
      giveBack();
    });
    const framing = framingOf(request.headers);
    const headers: Record<string, string> = { ...framing };
    for (const name of PASSED) {
      const value = request.headers[name];
      if (typeof value === "string") headers[name] = value;
    }
    const { method = "GET" } = request;
    const path = request.url!.slice("/kube".length);
    const answer = await upstream.send(method, path, headers, {
      signal: gone.signal,
      ...(framing ? { body: bounded(request) } : {}),
    });
    response.writeHead(answer.statusCode ?? 502, {
      ...SAFE_HEADERS,
      "content-security-policy": SANDBOXED,
      "content-type": answer.headers["content-type"] ?? "text/plain",
      ...(answer.headers["date"] ? { "x-server-date": answer.headers["date"] } : {}),
    });
    pipeline(answer, response, () => answer.destroy());
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { forwards } = this.#access;
    if (!forwards) return status(response, 404, "ports are forwarded by `kubectl port-forward`");
    const [, namespace, pod, port] =
      /^\/forwards\/([^/]+)\/([^/]+)\/(\d+)$/.exec(pathOf(request)) ?? [];
    const local = /^\/forwards\/(\d+)$/.exec(pathOf(request))?.[1];
    if (request.method === "DELETE" && local) forwards.remove(Number(local));
    if (request.method === "POST" && namespace && pod && port) {
      const made = await forwards.add(namespace, pod, Number(port));
      if (!made) return status(response, 503, "too many ports are forwarded: end one");
    }
    const json = { ...SAFE_HEADERS, "content-type": "application/json" };
    response.writeHead(200, json).end(JSON.stringify(forwards.list()));
  }
}

/** The headers that frame a request's body; undefined if it has none. */
function framingOf(headers: IncomingHttpHeaders): Record<string, string> | undefined {
  if (headers["transfer-encoding"] !== undefined) return { "transfer-encoding": "chunked" };
  const { "content-length": length = "0" } = headers;
  return length === "0" ? undefined : { "content-length": length };
}

const pathOf = ({ url = "/" }: IncomingMessage): string => url.split("?")[0]!;

/** The body of a request, which is ended if it is too large. */
function bounded(request: IncomingMessage): Transform {
  let bytes = 0;
  const counter = new Transform({
    transform(part: Buffer, _, done) {
      bytes += part.length;
      done(bytes > BODY_BYTES_MAX ? new RangeError("the body is too large") : undefined, part);
    },
  });
  return pipeline(request, counter, () => undefined);
}

/** The nonce is for the terminal, whose library writes a style sheet. */
function page(response: ServerResponse, login: Access["login"], assets: Assets): void {
  const needed = assets.get("main.js")?.imports ?? [];
  const nonce = randomBytes(16).toString("base64");
  const headers = { ...pageHeaders(nonce), "content-type": "text/html; charset=utf-8" };
  response
    .writeHead(200, headers)
    .end(
      [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>raft2kube</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="/main.css">',
        ...needed.map((name) => `<link rel="modulepreload" href="/${name}">`),
        `<div id="app" data-login="${login}"></div>`,
        `<script type="module" src="/main.js" nonce="${nonce}"></script></html>`,
      ].join("\n"),
    );
}

/** A failure in the API's own form, which the page shows. */
function status(response: ServerResponse, code: number, message: string): void {
  response.writeHead(code, { ...SAFE_HEADERS, "content-type": "application/json" });
  response.end(`${JSON.stringify({ kind: "Status", status: "Failure", code, message })}\n`);
}
