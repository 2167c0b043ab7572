import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { type Duplex, pipeline, Transform } from "node:stream";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { refuseUpgrade } from "@raft2kube/streaming/upgrade.ts";
import { BODY_BYTES_MAX, CONNECTIONS_MAX, HEAD_BYTES_MAX, TOKEN_CHARS_MAX } from "../limits.ts";
import { type Access, type Session, takeOne } from "./access.ts";
import type { Assets } from "./assets.ts";
import { admit, pathOf, policyOf, SAFE_HEADERS, SANDBOXED } from "./gate.ts";
import { Streams } from "./streams.ts";
import { textOf } from "./upstream.ts";

const JSON_TYPE = "application/json";
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
    const options = { maxHeaderSize: HEAD_BYTES_MAX };
    this.#server = tls ? createTlsServer({ ...options, ...tls }) : createServer(options);
    this.#server.maxConnections = CONNECTIONS_MAX;
    // A connection that cannot be accepted ends alone.
    this.#server.on("error", () => undefined);
    this.#server.on("request", (request, response) => {
      this.#serve(request, response).catch((thrown: unknown) => {
        if (response.headersSent) return response.destroy();
        const away = `the API server does not answer: ${messageOf(thrown)}`;
        fail(response, thrown instanceof HttpError ? thrown : new HttpError(502, away));
      });
    });
    this.#server.on("upgrade", (request, socket, head) => {
      socket.on("error", () => socket.destroy());
      this.#upgrade(request, socket, head).catch((thrown: unknown) => {
        if (!(thrown instanceof HttpError)) return socket.destroy();
        refuseUpgrade(socket, thrown.status, thrown.message);
      });
    });
  }

  /** Listens, by default on a free port of 127.0.0.1. */
  static async listen(
    access: Access,
    assets: Assets,
    { host, port, tls }: Listen = { host: "127.0.0.1", port: 0 },
  ): Promise<DashboardServer> {
    const made = new DashboardServer(access, assets, tls);
    await once(made.#server.listen(port, host), "listening");
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

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const session = await admit(request, true, this.#access, this.port);
    if (session && !socket.destroyed) this.#streams.serve(request, socket, head, session);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => response.destroy());
    const session = await admit(request, false, this.#access, this.port);
    // The client may be gone by now: its `close` does not come again.
    if (request.socket.destroyed) return;
    const { method = "GET" } = request;
    if (BODILESS.has(method) && framingOf(request.headers)) {
      // The next bytes may be the body, or a request of another user of a proxy.
      response.setHeader("connection", "close");
      throw new HttpError(400, `a ${method} has no body`);
    }
    const path = pathOf(request);
    if (path.startsWith("/kube/") && session) return await this.#pass(request, response, session);
    if (path.startsWith("/forwards")) return await this.#forward(method, path, response);
    if (path === "/login" && method === "POST") return await this.#login(request, response);
    if (method !== "GET") throw new HttpError(405, "GET alone");
    if (path === "/") return page(response, this.#access.login, this.#assets);
    const asset = this.#assets.get(path.slice(1));
    if (!asset) throw new HttpError(404, "there is nothing here");
    answer(response, asset.type, asset.gzip, { "content-encoding": "gzip" });
  }

  /** Exchanges a link's ticket, or a person's token, for a session's secret. */
  async #login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const given = await textOf(request, TOKEN_CHARS_MAX);
    const { underWay, refusal } = this.#access;
    const full = new HttpError(429, "many are signing in: try again");
    const giveBack = takeOne(underWay.logins, request.socket.remoteAddress ?? "", full);
    const secret = await this.#access.signIn(given).finally(giveBack);
    if (secret === undefined) throw new HttpError(401, refusal);
    answer(response, "text/plain", secret);
  }

  /** Passes a request to the API server, without the session's headers, and its answer back. */
  async #pass(
    request: IncomingMessage,
    response: ServerResponse,
    { user, upstream }: Session,
  ): Promise<void> {
    const full = new HttpError(429, "too many requests of this user are under way: end some");
    const giveBack = takeOne(this.#access.underWay.requests, user, full);
    const gone = new AbortController();
    response.once("close", () => {
      gone.abort();
      giveBack();
    });
    const { method = "GET", url = "", headers } = request;
    const { accept, "content-type": contentType } = headers;
    const framing = framingOf(headers);
    const answered = await upstream.send({
      method,
      path: url.slice("/kube".length),
      headers: {
        ...framing,
        ...(accept && { accept }),
        ...(contentType && { "content-type": contentType }),
      },
      signal: gone.signal,
      ...(framing && { body: bounded(request) }),
    });
    const { date, "content-type": type = "text/plain" } = answered.headers;
    response.writeHead(answered.status, {
      ...{ ...SAFE_HEADERS, "content-security-policy": SANDBOXED, "content-type": type },
      ...(date && { "x-server-date": date }),
    });
    pipeline(answered.body, response, () => answered.body.destroy());
  }

  /** Lists forwarded ports, after it has opened or closed one. */
  async #forward(method: string, path: string, response: ServerResponse): Promise<void> {
    const { forwards } = this.#access;
    if (!forwards) throw new HttpError(404, "ports are forwarded by `kubectl port-forward`");
    const [namespace, pod, port] = path.split("/").slice(2);
    if (method === "DELETE") forwards.remove(Number(namespace));
    if (method === "POST" && namespace && pod && /^\d+$/.test(port ?? "")) {
      await forwards.add(namespace, pod, Number(port));
    }
    answer(response, JSON_TYPE, JSON.stringify(forwards.list()));
  }
}

/** The headers that frame a request's body; undefined if it has none. */
function framingOf(headers: IncomingHttpHeaders): Record<string, string> | undefined {
  if (headers["transfer-encoding"] !== undefined) return { "transfer-encoding": "chunked" };
  const { "content-length": length = "0" } = headers;
  return length === "0" ? undefined : { "content-length": length };
}

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
  const text = [
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>raft2kube</title>',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<link rel="icon" href="data:,"><link rel="stylesheet" href="/main.css">',
    ...needed.map((name) => `<link rel="modulepreload" href="/${name}">`),
    `<div id="app" data-login="${login}"></div>`,
    `<script type="module" src="/main.js" nonce="${nonce}"></script></html>`,
  ];
  const policy = { "content-security-policy": policyOf(nonce) };
  answer(response, "text/html; charset=utf-8", text.join("\n"), policy);
}

/** A failure in the API's own form, which the page shows. */
function fail(response: ServerResponse, { status: code, message }: HttpError): void {
  response.statusCode = code;
  const status = { kind: "Status", status: "Failure", code, message };
  answer(response, JSON_TYPE, `${JSON.stringify(status)}\n`);
}

function answer(response: ServerResponse, type: string, body: string | Buffer, headers = {}): void {
  const all = { ...SAFE_HEADERS, "content-type": type, ...headers };
  response.writeHead(response.statusCode, all).end(body);
}
