import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { Duplex } from "node:stream";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Rotation } from "@raft2kube/std/rotation.ts";
import { sourceOf } from "@raft2kube/streaming/paced-socket.ts";
import { socketOf } from "../authn/client-certificate.ts";
import { ANONYMOUS } from "../authn/identities.ts";
import { ownerOfConnection } from "../authn/owner.ts";
import { respondStatus } from "../handlers/response/respond.ts";
import { REFUSED_BODY_MS, REQUESTS_OF_TURN_MAX, REQUESTS_WAITING_MAX } from "../limits.ts";
import { CONNECTIONS } from "../metrics/request-labels.ts";
import { headerOf, type Incoming, type Outgoing, type RequestContext } from "../request/context.ts";
import { parseRequestInfo, type RequestInfo } from "../request/request-info.ts";
import { cut, type Exchange, type Filter } from "./filters.ts";
import type { RequestListener } from "./server.ts";

const log = logger("apiserver");

/** Passes each request of a listener through the filters to its handler. */
export class Handler implements RequestListener {
  readonly #filters: readonly Filter[];
  readonly #answer: (context: RequestContext) => Promise<void>;
  readonly #rotation = new Rotation({
    ofTurn: REQUESTS_OF_TURN_MAX,
    ofOwner: REQUESTS_WAITING_MAX,
  });

  /** The first of `filters` is the outermost; `answer` runs after the last. */
  constructor(filters: readonly Filter[], answer: (context: RequestContext) => Promise<void>) {
    this.#filters = filters;
    this.#answer = answer;
  }

  handle(request: Incoming, response: Outgoing): void {
    // Without its session a request has no socket, and an error here would end the process.
    if (isGone(request)) return;
    const { name } = ownerOfConnection(socketOf(request));
    const begin = () => {
      if (!isGone(request)) void this.#serve(request, response, undefined);
    };
    if (!this.#rotation.enter(name, begin)) cut(request, constants.NGHTTP2_REFUSED_STREAM);
  }

  upgrade(request: IncomingMessage, response: ServerResponse, socket: Duplex, head: Buffer): void {
    void this.#serve(request, response, { socket, head });
  }

  async #serve(request: Incoming, response: Outgoing, upgrade: RequestContext["upgrade"]) {
    const gone = new AbortController();
    // A request that was already answered in full is not cancelled.
    const leave = () => void (isFinished(response) || gone.abort());
    response.on("close", leave);
    // A paced connection emits no close before its end is read, which is after the answer.
    if (upgrade) sourceOf(upgrade.socket).on("close", () => gone.abort());
    try {
      const context = newContext(request, response, upgrade, gone.signal);
      if (context === "malformed") return refuseTarget(response);
      if (context instanceof ApiError) {
        const bare = bareContext(request, response, gone.signal);
        return await respondStatus(bare, context.status);
      }
      const longRunning = isLongRunning(context);
      await this.#run({ context, longRunning, abandon: () => gone.abort() });
      if ("stream" in request && !request.stream.endAfterHeaders && !request.complete) {
        dropBody(request);
      }
    } catch (thrown) {
      // Nothing may leave here: what could not be answered is logged and the connection ended.
      log.error("an answer could not be sent", { reason: messageOf(thrown) });
      cut(request);
    }
  }

  /** The filters from the one at `at` on, and the answer. */
  #run(exchange: Exchange, at = 0): Promise<void> {
    const filter = this.#filters[at];
    if (filter === undefined) return this.#answer(exchange.context);
    return filter(exchange, () => this.#run(exchange, at + 1));
  }
}

/** Whether a request was reset, or its connection has ended, while it waited. */
function isGone(request: Incoming): boolean {
  return "stream" in request ? request.stream.destroyed : request.socket.destroyed;
}

/**
 * Whether a response is complete. HTTP/2's class always emits its end; its stream's state is also
 * true after a client's disconnect.
 */
function isFinished(response: Outgoing | Http2ServerResponse): boolean {
  return "stream" in response ? response.writableEnded : response.writableFinished;
}

interface Parts {
  request: Incoming;
  response: Outgoing;
  upgrade: RequestContext["upgrade"];
  signal: AbortSignal;
}

function contextOf(parts: Parts, info: RequestInfo, query: URLSearchParams): RequestContext {
  const { request } = parts;
  const cutOff = () => cut(request);
  // A client may name its request itself, to find it again.
  const id = headerOf(request, "audit-id") || randomUUID();
  return { ...parts, id, info, query, user: ANONYMOUS, warnings: [], cut: cutOff };
}

/** The context of a request with an invalid path. */
function bareContext(request: Incoming, response: Outgoing, signal: AbortSignal): RequestContext {
  const query = new URLSearchParams();
  const info = parseRequestInfo(request.method ?? "GET", "/", query);
  return contextOf({ request, response, signal, upgrade: undefined }, info, query);
}

function newContext(
  request: Incoming,
  response: Outgoing,
  upgrade: RequestContext["upgrade"],
  signal: AbortSignal,
): RequestContext | ApiError | "malformed" {
  const target = request.url ?? "/";
  const at = target.indexOf("?");
  const path = at < 0 ? target : target.slice(0, at);
  const query = new URLSearchParams(at < 0 ? "" : target.slice(at + 1));
  try {
    const info = parseRequestInfo(request.method ?? "GET", path, query);
    return contextOf({ request, response, upgrade, signal }, info, query);
  } catch (thrown) {
    if (thrown instanceof ApiError) return thrown;
    if (thrown instanceof URIError) return "malformed";
    throw thrown;
  }
}

/** Go's server refuses a path with a malformed escape before any handler sees it. */
function refuseTarget(response: Outgoing): void {
  response.writeHead(400, { "content-type": "text/plain; charset=utf-8" });
  response.end("400 Bad Request");
}

/**
 * Drops the rest of a body that was refused, and ends the stream if more comes. A reset right after
 * the answer could overtake it: kubectl then reports the reset, not the answer. HTTP/1 ends the
 * connection when the rest does not come.
 */
function dropBody(request: Http2ServerRequest): void {
  const { stream } = request;
  request.resume();
  const end = setTimeout(() => stream.close(), REFUSED_BODY_MS).unref();
  stream.once("close", () => clearTimeout(end));
}

/** Requests that may last: they are not counted among the durations. */
function isLongRunning(context: RequestContext): boolean {
  return context.info.verb === "watch" || CONNECTIONS.has(context.info.subresource);
}
