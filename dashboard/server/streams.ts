import type { IncomingMessage } from "node:http";
import type { Duplex, Readable } from "node:stream";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import { answeredError } from "@raft2kube/client-kube/errors.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Shares } from "@raft2kube/std/shares.ts";
import { upgradeToWebSocket } from "@raft2kube/streaming/websocket.ts";
import { WebSocket } from "ws";
import { MESSAGE_BYTES_MAX } from "../limits.ts";
import { type Session, takeOne } from "./access.ts";
import { sendOn, textOf, type Upstream } from "./upstream.ts";

/** The page's own protocol, and that of exec and attach. */
const PROTOCOLS = ["r2k.stream", "v4.channel.k8s.io"];
/** Close codes for the page: the API server refused (its status is added), or is not there. */
const [REFUSED, GONE] = [4_000, 4_001];
/** The protocol's limit of a close reason. */
const REASON_BYTES_MAX = 123;

/**
 * Serves an upgrade that the gate has admitted, a stream of the page. A
 * browser has six connections of HTTP/1.1 to a host, which a few watches would use up, so watches
 * and logs come through WebSockets: `/stream/PATH` is the answer of a GET, in parts as they come,
 * `/table/PATH` that of a table, and `/socket/PATH` the API server's own WebSocket (exec, attach).
 */
export async function serveStream(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  underWay: Shares,
  of: Session,
): Promise<void> {
  const [, kind, path = ""] = /^\/(stream|table|socket)(\/.*)$/.exec(request.url ?? "") ?? [];
  if (kind === undefined) throw new HttpError(404, "there is no such stream");
  socket.once("close", takeOne(underWay, of.user));
  const page = await upgradeToWebSocket(request, socket, head, PROTOCOLS);
  if (!page) return;
  const accept = kind === "table" ? TABLE : "*/*";
  const served =
    kind === "socket" ? relay(page, path, of.upstream) : stream(page, path, accept, of.upstream);
  served.catch((thrown: unknown) => end(page, GONE, messageOf(thrown)));
}

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

/** Sends on the parts of an answer. */
async function stream(page: WebSocket, path: string, accept: string, upstream: Upstream) {
  const gone = new AbortController();
  page.once("close", () => gone.abort());
  const request = { method: "GET", path, headers: { accept }, signal: gone.signal };
  const { status, body } = await upstream.send(request);
  body.once("error", (error) => end(page, GONE, error.message));
  if (status !== 200) return end(page, REFUSED + status, await refusalOf(status, body));
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
  server.on("unexpected-response", (_, answer) => {
    const { statusCode = 500 } = answer;
    const refused = refusalOf(statusCode, answer).catch(messageOf);
    void refused.then((why) => end(page, REFUSED + statusCode, why));
  });
  server.once("close", (code, why) => end(page, code === 1_006 ? GONE : 1_000, String(why)));
  server.on("message", (data: Buffer, isBinary) => sendOn(server, page, data, isBinary));
  server.once("open", () => {
    page.on("message", (data: Buffer, isBinary) => sendOn(page, server, data, isBinary));
    page.resume();
  });
}

/** The API server's own words about why it refuses. */
async function refusalOf(status: number, answer: Readable): Promise<string> {
  return answeredError(status, await textOf(answer, MESSAGE_BYTES_MAX), "refused").message;
}

function end(page: WebSocket, code: number, why: string): void {
  const { read } = new TextEncoder().encodeInto(why, new Uint8Array(REASON_BYTES_MAX));
  if (page.readyState !== WebSocket.OPEN) return;
  page.resume();
  page.close(code, why.slice(0, read));
}
