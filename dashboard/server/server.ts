import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { addAbortSignal, pipeline } from "node:stream";
import { limitConnections } from "@raft2kube/client-kube/delegated/connection-limits.ts";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Shares } from "@raft2kube/std/shares.ts";
import { paceHttp } from "@raft2kube/streaming/paced-http.ts";
import { refuseUpgrade } from "@raft2kube/streaming/upgrade.ts";
import type { Assets } from "../build.ts";
import * as limits from "../limits.ts";
import { type Access, type Session, takeOne } from "./access.ts";
import { admit, pathOf, policyOf, SAFE_HEADERS, SANDBOXED } from "./gate.ts";
import { serveStream } from "./streams.ts";
import { textOf } from "./upstream.ts";

const log = logger("dashboard");
const JSON_TYPE = "application/json";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

/** Counts by user what browsers have under way at the API server, and by address their sign-ins. */
type Counts = Readonly<Record<"underWay" | "signIns", Shares>>;
type Exchange = Counts & { request: IncomingMessage; response: ServerResponse; access: Access };

/** Serves the page, and passes its requests to the API server with the rights of their session. */
export async function serveDashboard(access: Access, assets: Assets, listen = LOOPBACK) {
  const underWay = new Shares(limits.UNDER_WAY_MAX);
  const signIns = new Shares(limits.SIGN_INS_MAX);
  const server = http.createServer({ maxHeaderSize: limits.HEAD_BYTES_MAX });
  paceHttp(server);
  limitConnections(server, { ofAddress: limits.CONNECTIONS_MAX, all: limits.CONNECTIONS_MAX });
  const end = new AbortController();
  server.on("error", (error) => {
    log.warn("a connection to the dashboard was not accepted", { reason: messageOf(error) });
  });
  await once(server.listen(listen), "listening");
  const { port } = server.address() as AddressInfo;
  server.on("request", (request, response) => {
    const served = serve({ request, response, access, underWay, signIns }, assets, port);
    served.catch((thrown: unknown) => {
      if (response.headersSent) return response.destroy();
      const away = `the API server does not answer: ${messageOf(thrown)}`;
      fail(response, thrown instanceof HttpError ? thrown : new HttpError(502, away));
    });
  });
  server.on("upgrade", (...upgrade) => {
    const [request, socket] = upgrade;
    addAbortSignal(end.signal, socket).on("error", () => socket.destroy());
    const served = admit(request, true, access, port).then((session) => {
      if (!session || socket.destroyed) return undefined;
      socket.once("close", takeOne(underWay, session.user));
      return serveStream(upgrade, session.upstream);
    });
    served.catch((thrown: unknown) => {
      if (!(thrown instanceof HttpError)) return socket.destroy();
      refuseUpgrade(socket, thrown.status, thrown.message);
    });
  });
  return {
    port,
    /** The address that opens the page in a browser of this machine. */
    link: access.link(`http://127.0.0.1:${port}`),
    close(): Promise<void> {
      end.abort();
      access.close();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function serve(exchange: Exchange, assets: Assets, port: number): Promise<void> {
  const { request, response, access } = exchange;
  response.on("error", () => response.destroy());
  const session = await admit(request, false, access, port);
  // The client may be gone by now: its `close` does not come again.
  if (request.socket.destroyed) return;
  const { method = "GET" } = request;
  if (/^(GET|HEAD)$/.test(method) && hasBody(request)) {
    // The next bytes may be the body, or a request of another user of a proxy.
    response.setHeader("connection", "close");
    throw new HttpError(400, `a ${method} has no body`);
  }
  const path = pathOf(request);
  if (path.startsWith("/kube/") && session) return await pass(exchange, session);
  if (path.startsWith("/forwards")) return await forward(exchange, path);
  if (path === "/login" && method === "POST") return await login(exchange);
  if (method !== "GET") throw new HttpError(405, "GET alone");
  if (path === "/") return page(response, access.login);
  const asset = assets.get(path.slice(1));
  if (!asset) throw new HttpError(404, "there is nothing here");
  answer(response, asset.type, asset.gzip, { "content-encoding": "gzip" });
}

/** Exchanges a link's ticket, or a person's token, for a session's secret. */
async function login({ request, response, access, signIns }: Exchange) {
  const given = await textOf(request, limits.TOKEN_CHARS_MAX);
  const giveBack = takeOne(signIns, request.socket.remoteAddress ?? "");
  const secret = await access.signIn(given).finally(giveBack);
  if (secret === undefined) throw new HttpError(401, access.refusal);
  answer(response, "text/plain", secret);
}

/** Passes a request to the API server, which bounds its body, and the answer back. */
async function pass({ request, response, underWay }: Exchange, { user, upstream }: Session) {
  const gone = new AbortController();
  response.once("close", takeOne(underWay, user));
  response.once("close", () => gone.abort());
  const { method = "GET", url = "" } = request;
  const { accept, "content-type": contentType } = request.headers;
  const answered = await upstream.send({
    ...{ method, path: url.slice("/kube".length), signal: gone.signal },
    headers: {
      ...(accept && { accept }),
      ...(contentType && { "content-type": contentType }),
      ...(hasBody(request) && { "transfer-encoding": "chunked" }),
    },
    ...(hasBody(request) && { body: request }),
  });
  const { date, "content-type": type = "text/plain" } = answered.headers;
  response.writeHead(answered.status, {
    ...SAFE_HEADERS,
    ...{ "content-security-policy": SANDBOXED, "content-type": type },
    // Nodes and pods date their answers by clocks of their own.
    ...(date && !/\/(proxy|log)\b/.test(url) && { "x-server-date": date }),
  });
  let left = limits.ANSWER_BYTES_MAX;
  answered.body.on("data", ({ length }: Buffer) => (left -= length) < 0 && answered.body.destroy());
  pipeline(answered.body, response, () => answered.body.destroy());
}

/** Opens or closes a forwarded port, if asked to, and lists all. */
async function forward({ request, response, access }: Exchange, path: string) {
  const { method } = request;
  const { forwards } = access;
  if (!forwards) throw new HttpError(404, "ports are forwarded by `kubectl port-forward`");
  const [namespace, pod, port] = path.split("/").slice(2);
  if (method === "DELETE") forwards.remove(Number(namespace));
  if (method === "POST" && namespace && pod && /^\d+$/.test(port ?? "")) {
    await forwards.add(namespace, pod, Number(port));
  }
  answer(response, JSON_TYPE, JSON.stringify(forwards.list()));
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";

/** The nonce is for the terminal, whose library writes a style sheet. */
function page(response: ServerResponse, login: Access["login"]): void {
  const nonce = randomBytes(16).toString("base64");
  const text = `<!doctype html><html lang="en"><meta charset="utf-8"><title>raft2kube</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><link rel="stylesheet" href="/main.css">
<div id="app" data-login="${login}"></div>
<script type="module" src="/main.js" nonce="${nonce}"></script></html>`;
  const policy = { "content-security-policy": policyOf(nonce) };
  answer(response, "text/html; charset=utf-8", text, policy);
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
