import { once } from "node:events";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { normalize } from "node:path/posix";
import type { Init, MessageType } from "@raft2kube/proto/codec.ts";
import { toJson } from "@raft2kube/proto/json.ts";
import type { MethodTable } from "@raft2kube/proto/service.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { Batch, Prepared } from "../batch.ts";
import { RpcError, Status } from "../error.ts";
import { MESSAGE_HEADER_BYTES } from "../grpc-message.ts";
import { STALLED_ANSWERS_TIMEOUT_MS } from "../limits.ts";
import { findRoute, type Route, routesOf, type ServedService } from "../routes.ts";
import type { Call } from "../server.ts";
import { Answers, JSON_TYPE } from "./answers.ts";
import { Bodies } from "./bodies.ts";
import { GatewayCall } from "./call.ts";
import { errorBody, errorLine, gatewayError, httpStatusOf } from "./errors.ts";

export interface GatewayOptions {
  /** The path of each RPC, `/package.Service/Method`, below `prefix`. */
  readonly paths: Readonly<Record<string, string>>;
  readonly prefix: string;
  /** A stream that stays open when the body of its requests ends. */
  readonly lasting: MethodTable;
  readonly services: readonly ServedService[];
  /** The most bytes of a request in gRPC's form. */
  readonly messageBytes_max: number;
  readonly clock: Clock;
  /** Rejects with the reason why a call is refused, before any of its body is read. */
  readonly admit?: (method: MethodTable, call: Call) => Promise<void>;
  /** Serves all other paths. */
  readonly pages: RequestListener;
}

/**
 * A JSON gateway, as grpc-gateway: the RPCs of `services` as POST requests. They go to the same
 * handlers as over gRPC, with the same rights, deadlines and limits.
 */
export function gateway(options: GatewayOptions): RequestListener {
  const { services, messageBytes_max, clock, pages } = options;
  const rpcs = routesOf(services);
  const routes = new Map<string, Route>();
  for (const [path, rpc] of Object.entries(options.paths)) {
    const route = findRoute(rpc, rpcs);
    if (route instanceof RpcError) throw route;
    routes.set(path, route);
  }
  const bodies = new Bodies(messageBytes_max, clock);
  const answers = new Answers(clock);
  return (request, response) => {
    const url = request.url ?? "";
    const [path = ""] = url.split("?", 1);
    const clean = path.startsWith("/") ? normalize(path) : path;
    if (clean !== path) return redirect(response, clean + url.slice(path.length));
    if (!path.startsWith(options.prefix)) return pages(request, response);
    const route = routes.get(path);
    if (!route) return refuse(request, response, new RpcError(Status.NOT_FOUND, "Not Found"));
    if (request.method !== "POST") {
      const error = new RpcError(Status.UNIMPLEMENTED, "Method Not Allowed");
      return refuse(request, response.setHeader("allow", "POST"), error);
    }
    void answer(route, { ...options, bodies, answers }, request, response);
  };
}

interface Parts extends GatewayOptions {
  readonly bodies: Bodies;
  readonly answers: Answers;
}

async function answer(
  route: Route,
  { clock, lasting, admit, bodies, answers }: Parts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let call: GatewayCall | undefined;
  try {
    const current = (call = new GatewayCall(request, clock));
    response.once("close", () => current.close());
    await admit?.(route.method, current);
    const answering = route.method.serverStream
      ? answerStream(route, bodies, clock, request, response, current, route.method === lasting)
      : answerUnary(route, bodies, answers, request, response, current);
    await unlessAborted(answering, current.signal);
    if (current.failure !== undefined) throw current.failure;
  } catch (thrown) {
    const error = gatewayError(thrown);
    if (response.headersSent) response.end(errorLine(error), () => cutOff(request));
    else if (route.method.serverStream) refuse(request, response, error, errorLine(error));
    else refuse(request, response, error);
  } finally {
    call?.close();
  }
}

async function answerUnary(
  { method, handler }: Route,
  bodies: Bodies,
  answers: Answers,
  request: IncomingMessage,
  response: ServerResponse,
  call: GatewayCall,
): Promise<void> {
  const message = await bodies.message(method.request, request, call);
  if (call.signal.aborted) return;
  const answered = await handler!(message, call);
  if (call.signal.aborted) return;
  answers.send(response, JSON.stringify(jsonOf(method.response, answered)));
}

async function answerStream(
  { method, handler }: Route,
  bodies: Bodies,
  clock: Clock,
  request: IncomingMessage,
  response: ServerResponse,
  call: GatewayCall,
  lasts: boolean,
): Promise<void> {
  const { signal } = call;
  const input = method.clientStream
    ? requestsOf(lasts, bodies.messages(method.request, request, call), call)
    : await bodies.message(method.request, request, call);
  if (signal.aborted) return;
  for await (const answered of handler!(input, call) as AsyncIterable<unknown>) {
    for (const each of answered instanceof Batch ? answered.responses : [answered]) {
      if (signal.aborted) return;
      if (!response.headersSent) response.writeHead(200, JSON_TYPE);
      const line = JSON.stringify({ result: jsonOf(method.response, each) });
      const drained = response.write(`${line}\n`);
      if (drained) continue;
      const end = () => void response.destroy();
      const stalled = method.clientStream
        ? undefined
        : clock.after(STALLED_ANSWERS_TIMEOUT_MS, end);
      await unlessAborted(once(response, "drain"), signal);
      stalled?.cancel();
    }
  }
  if (signal.aborted) return;
  if (!response.headersSent) response.writeHead(200, JSON_TYPE);
  response.end();
}

/**
 * The requests of a stream. A lasting one stays open when the body ends: its client has sent what
 * it asks for, and reads on.
 */
async function* requestsOf(
  lasts: boolean,
  messages: AsyncIterable<unknown>,
  call: GatewayCall,
): AsyncGenerator<unknown> {
  try {
    for await (const message of messages) {
      if (call.signal.aborted) return;
      yield message;
    }
  } catch (thrown) {
    return call.fail(thrown);
  }
  if (lasts) await unlessAborted(new Promise(() => {}), call.signal);
}

/** Settles as `work` does, or resolves when the signal aborts before. */
function unlessAborted(work: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const done = () => resolve(undefined);
    if (signal.aborted) done();
    signal.addEventListener("abort", done, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", done));
  });
}

/** Handlers leave defaults out, and may give parts that are encoded already. */
function jsonOf<R>(type: MessageType<R>, answered: unknown): unknown {
  const bytes =
    answered instanceof Prepared
      ? Buffer.concat([answered.head.subarray(MESSAGE_HEADER_BYTES), answered.rest])
      : type.encode(answered as Init<R>);
  return toJson(type, type.decode(bytes));
}

/** A stream that has failed reads no more requests. */
function cutOff(request: IncomingMessage): void {
  if (!request.complete) request.destroy();
}

/** Redirects to the clean path, as Go's ServeMux answers `/v3//kv/range`. */
function redirect(response: ServerResponse, location: string): void {
  response.writeHead(307, { location, connection: "close" }).end();
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  error: RpcError,
  body = errorBody(error),
): void {
  // The rest of the body is not read.
  if (!request.complete) response.setHeader("connection", "close");
  response.writeHead(httpStatusOf(error.status), JSON_TYPE).end(body);
}
