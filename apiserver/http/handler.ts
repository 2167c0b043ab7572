import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerResponse } from "node:http2";
import type { Duplex } from "node:stream";
import { Gauge } from "prom-client";
import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Quiet } from "@raft2kube/std/quiet.ts";
import { ANONYMOUS } from "../authn/identities.ts";
import { authorize } from "../authz/authorize-request.ts";
import { impersonate } from "../authz/impersonation.ts";
import type { ApiServer } from "../handlers/server.ts";
import { isServed } from "../handlers/subresources/dispatch.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ApiserverOptions } from "../options.ts";
import { ApiError } from "../object/errors/api-error.ts";
import { internal, serviceUnavailable, timeout } from "../object/errors/catalog.ts";
import { CONNECTIONS } from "../metrics/request-labels.ts";
import type { Counted } from "../metrics/requests.ts";
import { QUIET, READING_IN_FLIGHT_MAX, WRITING_IN_FLIGHT_MAX } from "../limits.ts";
import type { Answer } from "../request/answer.ts";
import { headerOf, type Incoming, type Outgoing, type RequestContext } from "../request/context.ts";
import { InFlight } from "./in-flight.ts";
import { ResponseBudget } from "../handlers/response/response-budget.ts";
import { parseRequestInfo, type RequestInfo, timeoutOf } from "../request/request-info.ts";
import { respond, respondStatus } from "../handlers/response/respond.ts";
import type { RequestListener } from "./server.ts";

const log = logger("apiserver");
const APPLY_TYPE = "application/apply-patch+yaml";

/** What the way of a request works with. */
export interface HttpServer extends ApiServer {
  readonly options: ApiserverOptions;
  readonly metrics: Metrics;
}

/** Answers a request that is known and allowed. */
export type Dispatch = (context: RequestContext) => Promise<Answer>;

/** The way of every request: who is it, may they, what do they want, tell them. */
export class Handler implements RequestListener {
  readonly #server: HttpServer;
  readonly #dispatch: Dispatch;
  readonly #inFlight: InFlight;
  readonly #room = new ResponseBudget();
  readonly #quiet: Quiet;

  constructor(server: HttpServer, dispatch: Dispatch) {
    this.#server = server;
    this.#quiet = new Quiet(server.clock, QUIET, server.options.onQuiet ?? (() => undefined));
    server.closing.addEventListener("abort", () => this.#quiet.stop(), { once: true });
    const usual = { reading: READING_IN_FLIGHT_MAX, writing: WRITING_IN_FLIGHT_MAX };
    this.#inFlight = new InFlight(server.options.inFlightMax ?? usual);
    this.#dispatch = dispatch;
    const room = this.#room;
    new Gauge({
      name: "r2k_large_answers_bytes",
      help: "Bytes of large lists that are being made or sent.",
      registers: [server.metrics.registry],
      collect: function () {
        this.set(room.bytes);
      },
    });
  }

  handle(request: Incoming, response: Outgoing): void {
    void this.#serve(request, response, undefined);
  }

  upgrade(request: IncomingMessage, response: ServerResponse, socket: Duplex, head: Buffer): void {
    void this.#serve(request, response, { socket, head });
  }

  async #serve(request: Incoming, response: Outgoing, upgrade: RequestContext["upgrade"]) {
    const gone = new AbortController();
    // Who has the whole answer needs nobody to stop.
    const leave = () => void (isFinished(response) || gone.abort());
    response.on("close", leave);
    upgrade?.socket.on("close", () => gone.abort());
    try {
      await this.#guarded(request, response, upgrade, gone);
    } catch (thrown) {
      // Nothing may leave here: what could not be answered is logged and the connection ended.
      log.error("an answer could not be sent", { reason: messageOf(thrown) });
      cut(request);
    }
  }

  async #guarded(
    request: Incoming,
    response: Outgoing,
    upgrade: RequestContext["upgrade"],
    gone: AbortController,
  ): Promise<void> {
    const context = newContext(request, response, upgrade, gone.signal);
    if (context === "malformed") return refuseTarget(response);
    if (context instanceof ApiError) {
      const bare = bareContext(request, response, gone.signal);
      return await respondStatus(bare, context.status);
    }
    const long = isLong(context);
    const counted = this.#count(context, long);
    try {
      await (long ? this.#answer(context) : this.#answerInTime(context));
    } catch (thrown) {
      const error = asApiError(thrown, context);
      if (context.response.headersSent || context.signal.aborted) {
        counted.aborted();
        cut(request);
      } else await respondStatus(context, error.status);
      // What still works for a request that was given up need not go on.
      gone.abort();
    } finally {
      counted.end(response.statusCode);
    }
  }

  #count(context: RequestContext, long: boolean): Counted {
    const { info, query } = context;
    const { group, version, resource: plural } = info;
    const { resources, metrics } = this.#server;
    const found = info.resourceRequest ? resources.find(group, version, plural) : undefined;
    const resource = found && isServed(found.kind, info.subresource) ? found : undefined;
    const apply = info.verb === "patch" &&
      headerOf(context.request, "content-type") === APPLY_TYPE;
    const counted = metrics.requests.begin({ info, resource, query, long, apply });
    context.sent = (bytes) => {
      counted.sent(bytes);
      this.#quiet.note(bytes);
    };
    context.received = counted.received;
    return counted;
  }

  /** The same for requests that may not last. Throws 504 when their time is up. */
  async #answerInTime(context: RequestContext): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const complaint = "request did not complete within the allotted timeout";
    const late_ms = timeoutOf(context.query);
    let isLate = false;
    const timer = this.#server.clock.after(late_ms, () => {
      isLate = true;
      reject(timeout(complaint));
    });
    const answer = this.#answer(context);
    try {
      await Promise.race([answer, late]);
    } finally {
      timer.cancel();
      if (isLate) this.#followLate(answer);
    }
  }

  /** Work that nobody waits for any more still ends. */
  #followLate(answer: Promise<void>): void {
    const { requests } = this.#server.metrics;
    answer.then(() => requests.endedLate("ok"), () => requests.endedLate("error"));
  }

  async #answer(context: RequestContext): Promise<void> {
    const server = this.#server;
    context.user = await server.authenticator.authenticate(context.request, context.warnings);
    await impersonate(server.authorizer, server.metrics.authorization, context);
    const leave = isLong(context) ? undefined : this.#inFlight.admit(context.info, context.user);
    try {
      await authorize(server.authorizer, context);
      const answer = await this.#dispatch(context);
      await respond(context, answer, { now: () => server.clock.now(), room: this.#room });
    } finally {
      leave?.();
    }
  }
}

/**
 * Whether nobody works on an answer any more. HTTP/2's class tells of its end in any case; what its
 * stream says of it is true of a client that went away, too.
 */
function isFinished(response: Outgoing | Http2ServerResponse): boolean {
  return "stream" in response ? response.writableEnded : response.writableFinished;
}

/**
 * Ends a request whose answer cannot be finished: its stream on HTTP/2, its connection on HTTP/1.
 */
function cut(request: Incoming): void {
  if ("stream" in request) request.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else request.socket.destroy();
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

/** The context of a request whose path nobody can read. */
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

/** Go's server refuses a path with a malformed escape before anybody sees it. */
function refuseTarget(response: Outgoing): void {
  response.writeHead(400, { "content-type": "text/plain; charset=utf-8" });
  response.end("400 Bad Request");
}

/** Requests that may last: they are not counted among the durations. */
function isLong(context: RequestContext): boolean {
  return context.info.verb === "watch" || CONNECTIONS.has(context.info.subresource);
}

/** What was thrown, as the client is told; the unforeseen is logged in full and answered as 500. */
export function asApiError(thrown: unknown, context: RequestContext): ApiError {
  if (thrown instanceof ApiError) return thrown;
  if (context.signal.aborted) return serviceUnavailable("the request was ended");
  if (thrown instanceof EtcdError) {
    log.warn("the store refused a request", { path: context.info.path, reason: thrown.message });
    return internal(thrown.message);
  }
  log.error("a request failed unexpectedly", { path: context.info.path, err: thrown });
  return internal(messageOf(thrown));
}
