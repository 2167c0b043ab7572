import { once } from "node:events";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Init, MessageType } from "@raft2kube/proto/codec.ts";
import { Watch } from "@raft2kube/proto/gen/etcd.ts";
import { toJson } from "@raft2kube/proto/json.ts";
import type { MethodTable } from "@raft2kube/proto/service.ts";
import { Batch, Prepared } from "@raft2kube/rpc/batch.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { MESSAGE_HEADER_BYTES } from "@raft2kube/rpc/grpc-message.ts";
import { type Route, findRoute, routesOf } from "@raft2kube/rpc/routes.ts";
import type { ServedService } from "@raft2kube/rpc/server.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { Bodies } from "./bodies.ts";
import { GatewayCall } from "./call.ts";
import { errorBody, errorLine, gatewayError, httpStatusOf } from "./errors.ts";
import { GATEWAY_PATHS } from "./routes.ts";

const PREFIX = "/v3/";
const JSON_TYPE = { "content-type": "application/json" };

export interface GatewayOptions {
  readonly services: readonly ServedService[];
  /** Of a request as gRPC has it. */
  readonly messageBytes_max: number;
  readonly clock: Clock;
  /** Serves all other paths. */
  readonly pages: RequestListener;
}

/**
 * etcd's JSON gateway (grpc-gateway): the RPCs of `services` as POST requests. They go to the same
 * handlers as over gRPC, with the same rights, deadlines and limits.
 */
export function gateway({
  services,
  messageBytes_max,
  clock,
  pages,
}: GatewayOptions): RequestListener {
  const rpcs = routesOf(services);
  const routes = new Map<string, Route>();
  for (const [path, rpc] of Object.entries(GATEWAY_PATHS)) {
    const route = findRoute(rpc, rpcs);
    if (route instanceof RpcError) throw route;
    routes.set(path, route);
  }
  const bodies = new Bodies(messageBytes_max, clock);
  return (request, response) => {
    const [path = ""] = (request.url ?? "").split("?", 1);
    if (!path.startsWith(PREFIX)) return pages(request, response);
    const route = routes.get(path);
    if (!route) return refuse(request, response, new RpcError(Status.NOT_FOUND, "Not Found"));
    if (request.method !== "POST") {
      const error = new RpcError(Status.UNIMPLEMENTED, "Method Not Allowed");
      return refuse(request, response.setHeader("allow", "POST"), error);
    }
    void answer(route, bodies, clock, request, response);
  };
}

async function answer(
  route: Route,
  bodies: Bodies,
  clock: Clock,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let call: GatewayCall | undefined;
  try {
    const current = (call = new GatewayCall(request, clock));
    response.once("close", () => current.close());
    const work = route.method.serverStream ? answerStream : answerUnary;
    await unlessAborted(work(route, bodies, request, response, current), current.signal);
    if (current.failure !== undefined) throw current.failure;
  } catch (thrown) {
    const error = gatewayError(thrown);
    if (response.headersSent) response.end(errorLine(error));
    else if (route.method.serverStream) refuse(request, response, error, errorLine(error));
    else refuse(request, response, error);
  } finally {
    call?.close();
  }
}

async function answerUnary(
  { method, handler }: Route,
  bodies: Bodies,
  request: IncomingMessage,
  response: ServerResponse,
  call: GatewayCall,
): Promise<void> {
  const message = await bodies.message(method.request, request, call);
  if (call.signal.aborted) return;
  const answered = await handler!(message, call);
  if (call.signal.aborted) return;
  const body = JSON.stringify(jsonOf(method.response, answered));
  response.writeHead(200, JSON_TYPE).end(body);
}

async function answerStream(
  { method, handler }: Route,
  bodies: Bodies,
  request: IncomingMessage,
  response: ServerResponse,
  call: GatewayCall,
): Promise<void> {
  const { signal } = call;
  const input = method.clientStream
    ? requestsOf(method, bodies.messages(method.request, request), call)
    : await bodies.message(method.request, request, call);
  if (signal.aborted) return;
  for await (const answered of handler!(input, call) as AsyncIterable<unknown>) {
    for (const each of answered instanceof Batch ? answered.responses : [answered]) {
      if (signal.aborted) return;
      if (!response.headersSent) response.writeHead(200, JSON_TYPE);
      const line = JSON.stringify({ result: jsonOf(method.response, each) });
      const drained = response.write(`${line}\n`);
      if (!drained) await unlessAborted(once(response, "drain"), signal);
    }
  }
  if (signal.aborted) return;
  if (!response.headersSent) response.writeHead(200, JSON_TYPE);
  response.end();
}

/**
 * The requests of a stream. That of watches stays open when the body ends, as etcd's does: its
 * client sends what to watch, and reads on.
 */
async function* requestsOf(
  method: MethodTable,
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
  if (method === Watch.methods.watch) await unlessAborted(new Promise(() => {}), call.signal);
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
