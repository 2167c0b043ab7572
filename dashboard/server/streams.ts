import type { IncomingMessage } from "node:http";
import type { Duplex, Readable } from "node:stream";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import { answeredError } from "@raft2kube/client-kube/errors.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { upgradeToWebSocket } from "@raft2kube/streaming/websocket.ts";
import { WebSocket } from "ws";
import { MESSAGE_BYTES_MAX } from "../limits.ts";
import { sendOn, textOf, type Upstream } from "./upstream.ts";

/** The page's own protocol, and that of exec and attach. */
const PROTOCOLS = ["r2k.stream", "v4.channel.k8s.io"];
/** Close codes for the page: the API server refused (its status is added), or is not there. */
const [REFUSED, GONE] = [4_000, 4_001];
/** The protocol's limit of a close reason. */
const REASON_BYTES_MAX = 123;

/**
 * Serves an upgrade that the gate has admitted, a stream of the page. A browser has six connections
 * of HTTP/1.1 to a host, which a few watches would use up, so watches and logs come through
 * WebSockets: `/stream/PATH` is the answer of a GET, in parts as they come, `/table/PATH` that of a
 * table, and `/socket/PATH` the API server's own WebSocket (exec, attach).
 */
export async function serveStream(upgrade: Upgrade, upstream: Upstream): Promise<void> {
  const [{ url = "" }] = upgrade;
  const [, kind, path = ""] = /^\/(stream|table|socket)(\/.*)$/.exec(url) ?? [];
  if (kind === undefined) throw new HttpError(404, "there is no such stream");
  const page = await upgradeToWebSocket(...upgrade, PROTOCOLS);
  if (!page) return;
  const accept = kind === "table" ? TABLE : "*/*";
  const served =
    kind === "socket" ? relay(page, path, upstream) : stream(page, path, accept, upstream);
  served.catch((thrown: unknown) => end(page, GONE, messageOf(thrown)));
}

type Upgrade = readonly [request: IncomingMessage, socket: Duplex, head: Buffer];

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

/** Sends on the parts of an answer. */
async function stream(page: WebSocket, path: string, accept: string, upstream: Upstream) {
  const gone = new AbortController();
  page.once("close", () => gone.abort());
  const request = { method: "GET", path, headers: { accept }, signal: gone.signal };
  const { status, body } = await upstream.send(request);
  body.once("error", (error) => end(page, GONE, error.message));
  if (status !== 200) return endRefused(page, status, body);
  body.on("data", (part: Buffer) => sendOn(body, page, part));
  body.once("end", () => page.close(1_000));
}

/** Sends on the messages of both sides. */
async function relay(page: WebSocket, path: string, upstream: Upstream): Promise<void> {
  page.pause();
  const server = await upstream.socket(path, page.protocol);
  page.once("close", () => server.terminate());
  if (page.readyState !== WebSocket.OPEN) server.terminate();
  server.on("error", (error) => end(page, GONE, error.message));
  server.on("unexpected-response", (_, answer) => endRefused(page, answer.statusCode, answer));
  server.once("close", (code, why) => end(page, code === 1_006 ? GONE : 1_000, String(why)));
  server.on("message", (data: Buffer) => sendOn(server, page, data));
  server.once("open", () => {
    page.on("message", (data: Buffer) => sendOn(page, server, data));
    page.resume();
  });
}

/** Ends with the API server's own words about why it refuses. */
function endRefused(page: WebSocket, status = 500, answer: Readable): void {
  const text = textOf(answer, MESSAGE_BYTES_MAX);
  const refused = text.then((body) => answeredError(status, body, "refused").message);
  void refused.catch(messageOf).then((why) => end(page, REFUSED + status, why));
}

function end(page: WebSocket, code: number, why: string): void {
  const { read } = new TextEncoder().encodeInto(why, new Uint8Array(REASON_BYTES_MAX));
  if (page.readyState !== WebSocket.OPEN) return;
  page.resume();
  page.close(code, why.slice(0, read));
}
