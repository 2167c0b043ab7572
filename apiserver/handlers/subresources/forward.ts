import dns from "node:dns";
import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { type Agent, request as httpsRequest } from "node:https";
import { connect, isIP, type LookupFunction, type Socket } from "node:net";
import { type Duplex, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { serviceUnavailable } from "@raft2kube/apimachinery/errors/catalog.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { KEEP_ALIVE_MS } from "@raft2kube/rpc/limits.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { requirePlainAnswer } from "@raft2kube/streaming/interim.ts";
import { ownerOf } from "../../authn/owner.ts";
import { BACKEND_READ_BYTES } from "../../limits.ts";
import { hasBody, type RequestContext } from "../../request/context.ts";
import type { ApiServer } from "../server.ts";
import { refusalText } from "./backend-refusal.ts";
import { backendTurn, bodyInTurns, inTurnsOf } from "./backend-turns.ts";
import { linkRewriting } from "./html-links.ts";

const log = logger("apiserver");

/** The target of a request that is passed on. */
export interface Backend {
  host: string;
  port: number;
  path: string;
  method: string;
  /** Agent for TLS backends. */
  agent: Agent | undefined;
  /** Headers of the client's request that go along; none by default: credentials stay here. */
  headers?: Record<string, string | string[]>;
  /** Whether the client's body goes along. */
  body?: boolean;
  /** Content type for answers of the backend that have none. */
  contentType?: string;
  /**
   * Where a redirect leads for the client. Without it redirects are neither followed nor handed on
   * (CVE-2020-8559).
   */
  location?: (text: string) => string;
  /** The same for a link in a page of HTML. Without it pages go through as they are. */
  link?: (text: string) => string;
  /** Where the answer is broken off; nowhere by default. */
  bytesMax?: number | undefined;
  /** The errors of a backend in the words of its users; by default those of `/proxy`. */
  errors?: BackendErrors;
}

interface BackendErrors {
  /** Makes the error for a backend that is not reached, or ends the connection unanswered. */
  unreachable(thrown: Error): Error;
  redirected(status: number): Error;
}

const usualErrors = ({ host, port }: Backend): BackendErrors => ({
  unreachable: ({ message }) =>
    serviceUnavailable(`error dialing backend ${host}:${port}: ${message}`),
  redirected: (status) =>
    serviceUnavailable(`the backend answered with a redirect (${status}), which is not followed`),
});

/** Headers of a hop, which HTTP/2 does not have, of a redirect, and this server's own. */
const REFUSED_HEADERS = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  // Node refuses it beside a length, and no trailer is passed on.
  "trailer",
  "transfer-encoding",
  "upgrade",
  "location",
  "audit-id",
]);

/**
 * Whether a header of a backend is dropped; which pages may read this server's answers is not its
 * to decide.
 */
const isRefused = (name: string): boolean =>
  REFUSED_HEADERS.has(name) || name.startsWith("access-control-");

/**
 * A backend's answer to a request that is passed on to it. Throws 503 when it cannot be reached or
 * redirects, and the backend's error where `contentType` is set for another body.
 */
export async function openBackend(
  server: Pick<ApiServer, "closing">,
  context: RequestContext,
  backend: Backend,
): Promise<IncomingMessage> {
  await backendTurn(context);
  const answer = await open(server, context, backend);
  const status = answer.statusCode ?? 502;
  if (status < 200 || status > 599) {
    answer.destroy();
    const odd = new CodedError("OddStatus", `its answer has the status ${status}`);
    throw (backend.errors ?? usualErrors(backend)).unreachable(odd);
  }
  if (status >= 300 && status < 400 && status !== 304 && backend.location === undefined) {
    answer.destroy();
    throw (backend.errors ?? usualErrors(backend)).redirected(status);
  }
  if (status >= 400 && backend.contentType !== undefined) throw await refusal(answer, status);
  return answer;
}

/** Passes a request to a backend and its answer back, both streamed. Throws as `openBackend`. */
export async function forward(
  server: Pick<ApiServer, "closing">,
  context: RequestContext,
  backend: Backend,
): Promise<void> {
  const answer = await openBackend(server, context, backend);
  const { response } = context;
  const { location } = answer.headers;
  response.statusCode = answer.statusCode ?? 502;
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value !== undefined && !isRefused(name)) response.setHeader(name, value);
  }
  if (location !== undefined && backend.location !== undefined) {
    response.setHeader("location", backend.location(location));
  }
  if (backend.contentType !== undefined) response.setHeader("content-type", backend.contentType);
  const steps = rewritingOf(context, answer, backend);
  // HTTP/2 ends a stream whose answer without a body has a length.
  const isEmpty = response.statusCode === 204 || response.statusCode === 205;
  if (isEmpty || steps.length > 0) response.removeHeader("content-length");
  if (backend.bytesMax !== undefined) steps.push(brokenOffAt(backend.bytesMax));
  response.flushHeaders();
  try {
    await pipeline([bodyInTurns(context, answer), ...steps, response as NodeJS.WritableStream]);
  } catch (thrown) {
    // One side went away in the middle: the other learns of it by the end of its connection.
    log.debug("a forwarded stream ended early", {
      path: context.info.path,
      reason: messageOf(thrown),
    });
    context.request.destroy();
  }
}

function brokenOffAt(bytesMax: number): Transform {
  let bytes = 0;
  const step = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      if (bytes <= bytesMax) done(null, chunk);
      else done(new CodedError("TooLarge", `the answer has more than ${bytesMax} bytes`));
    },
  });
  // The pipeline that it is a part of fails by it.
  return step.on("error", () => undefined);
}

function rewritingOf(
  context: RequestContext,
  answer: IncomingMessage,
  { method, link }: Backend,
): Transform[] {
  if (link === undefined || method === "HEAD" || answer.headers.location !== undefined) return [];
  return linkRewriting(answer, link, () => backendTurn(context)) ?? [];
}

function open(
  server: Pick<ApiServer, "closing">,
  context: RequestContext,
  backend: Backend,
): Promise<IncomingMessage> {
  const { host, port, path, method, agent, headers = {} } = backend;
  return new Promise((resolve, reject) => {
    const send = agent ? httpsRequest : httpRequest;
    const carries = backend.body === true && hasBody(context.request);
    const framing = carries && headers["content-length"] === undefined ? CHUNKED : {};
    const request = send({
      host,
      port,
      path,
      method,
      headers: { ...headers, ...framing },
      ...connectionTo(ownerOf(context).name, backend),
      highWaterMark: BACKEND_READ_BYTES,
    } as RequestOptions);
    requirePlainAnswer(request);
    const end = () => request.destroy();
    context.signal.addEventListener("abort", end, { once: true });
    server.closing.addEventListener("abort", end, { once: true });
    const { unreachable } = backend.errors ?? usualErrors(backend);
    const unavailable = (thrown: Error) => reject(unreachable(thrown));
    request.on("close", () => {
      context.signal.removeEventListener("abort", end);
      server.closing.removeEventListener("abort", end);
      unavailable(new CodedError("CLOSED", "the connection was closed"));
    });
    request.on("response", resolve);
    request.on("error", unavailable);
    if (context.signal.aborted) end();
    if (carries) context.request.pipe(request);
    else request.end();
  });
}

/** Connections to aggregated servers are kept, by their agents; others are read in turns. */
export function connectionTo(
  owner: string,
  { host, port, agent }: Pick<Backend, "host" | "port" | "agent">,
  inTurns: (owner: string, socket: Socket) => Duplex = inTurnsOf,
): RequestOptions {
  if (agent?.options.keepAlive) return { agent };
  // Node sets these for connections that its agents open.
  const names = { noDelay: true, servername: isIP(host) ? "" : host };
  const options = { ...names, ...agent?.options, host, port, highWaterMark: BACKEND_READ_BYTES };
  const createConnection = () => {
    let socket: Socket | undefined;
    const lookup = lookupInTurn(host, () => socket?.destroyed === true);
    const dialled = { ...options, lookup };
    socket = (agent ? agent.createConnection(dialled) : connect(dialled)) as Socket;
    socket.on("error", () => socket.destroy());
    // A node that vanished would leave a stream without traffic open.
    socket.once("connect", function (this: Socket) {
      this.setKeepAlive(true, KEEP_ALIVE_MS);
    });
    return inTurns(owner, socket);
  };
  return { createConnection };
}

/** Look-ups of nodes' names, in rotation over the names. */
const lookups = new FairTurns();

/**
 * The system's look-up, one at a time: a node reports any name as its address, libuv gives all of a
 * process two of its threads, and one whose name server does not answer takes 10 s and more.
 */
function lookupInTurn(host: string, isOver: () => boolean): LookupFunction {
  return (name, options, callback) =>
    void lookups.run(host, async () => {
      if (isOver()) return;
      await new Promise<void>((resolve) => {
        dns.lookup(name, options, (...found) => {
          resolve();
          callback(...found);
        });
      });
    });
}

/**
 * Headers that make Node send a GET's body chunked: otherwise the backend would take the body for
 * its next request.
 */
const CHUNKED = { "transfer-encoding": "chunked" };

const REASONS: Readonly<Record<number, string>> = {
  400: "BadRequest",
  404: "NotFound",
  429: "TooManyRequests",
};

/** Returns a kubelet's error response as the client's error. */
async function refusal(answer: IncomingMessage, code: number): Promise<ApiError> {
  const message = await refusalText(answer);
  const reason = REASONS[code] ?? "InternalError";
  return new ApiError({ code, reason, message: message || `the kubelet answered ${code}` });
}
