import type { LookupOptions as DnsOptions } from "node:dns";
import { lookup } from "node:dns/promises";
import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { connect, isIP, type LookupFunction, type TcpNetConnectOpts } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { SHORT_TURN_MS } from "@raft2kube/std/limits.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { boundInterimAnswers } from "@raft2kube/streaming/interim.ts";
import { PacedSocket } from "@raft2kube/streaming/paced-socket.ts";
import { RuntimeError } from "../errors.ts";
import {
  REGISTRY_HEADER_BYTES,
  REGISTRY_LOOKUPS_MAX,
  REGISTRY_LOOKUPS_OF_NAMESPACE_MAX,
  REGISTRY_PROGRESS_BYTES,
  REGISTRY_REDIRECTS,
  REGISTRY_TIMEOUT_MS,
  REGISTRY_WAIT_MS,
  REGISTRY_WAITS,
} from "../limits.ts";

/** An answer whose body is still to be read: once, to its end, or `cancel` it. */
export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  /** Whether another server than the one asked has answered. */
  redirected: boolean;
  /** Fails when the answer ends early, or comes too slowly for as long as it is waited for. */
  body: AsyncIterable<Buffer>;
  cancel(): void;
}

export interface GetOptions {
  headers: Readonly<Record<string, string>>;
  /** The method, by default GET. */
  method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH";
  /** The body; it is not sent again to another server. */
  content?: Uint8Array;
  clock: Clock;
  /** Name of the server, for messages. */
  name: string;
  signal?: AbortSignal;
  /** The namespace of the pod that it is for. */
  namespace?: string | undefined;
  /** Whether no connection goes to an address, which the server of this origin has. */
  refuses?: (address: string, origin: string) => boolean;
}

const unavailable = (message: string, cause?: unknown) =>
  new RuntimeError("unavailable", message, cause === undefined ? {} : { cause });

/** The turns that the answers of all registries share: one may come in chunks of one byte. */
const turns = new InputTurns(systemClock(), SHORT_TURN_MS);

/** Opens a connection for one request, whose error is that of the paced connection. */
function dial(isTls: boolean, options: TcpNetConnectOpts & ConnectionOptions, owner: string) {
  const servername = isIP(options.host ?? "") ? "" : options.host;
  const socket = isTls ? connectTls({ ...options, servername }) : connect(options);
  socket.on("error", () => socket.destroy());
  return new PacedSocket(socket, turns, owner);
}

/** Turns of look-ups: the names are tenants', and their servers need not answer. */
const lookups = new FairTurns(REGISTRY_LOOKUPS_MAX, REGISTRY_LOOKUPS_OF_NAMESPACE_MAX);

/** A look-up's namespace, the addresses that it must not find, and whether its request has ended. */
export interface LookupOptions {
  readonly namespace: string | undefined;
  refuses(address: string): boolean;
  isOver(): boolean;
}

/** The system's look-up, in turn; a name that has a refused address is not reached at any. */
export function lookupInTurn(
  { namespace = "", refuses, isOver }: LookupOptions,
  system: typeof lookup = lookup,
): LookupFunction {
  const find = async (name: string, options: DnsOptions) => {
    const found = await system(name, { ...options, all: true });
    const refused = found.find(({ address }) => refuses(address));
    if (refused) throw unavailable(`${refused.address} is not allowed here`);
    return found;
  };
  return (name, options, callback) =>
    void lookups.run(namespace, async () => {
      if (isOver()) return;
      try {
        const found = await find(name, options);
        if (options.all) callback(null, found);
        else callback(null, found[0]!.address, found[0]!.family);
      } catch (thrown) {
        callback(thrown as Error, "");
      }
    });
}

/**
 * One request on a connection of its own. Resolves when the headers are here. Any fault of the
 * other side ends in a RuntimeError of this call or of the body: every event of the socket has its
 * listener before it can come.
 */
function send(url: URL, options: GetOptions): Promise<IncomingMessage> {
  const { headers, clock, name, signal, method = "GET", content } = options;
  const refuses = (address: string) => options.refuses?.(address, url.origin) === true;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const failed = (why: string, cause?: unknown) =>
    reject(unavailable(`${name}: cannot reach ${url.origin}: ${why}`, cause));
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0 && refuses(host)) {
    failed(`${host} is not allowed here`);
    return promise;
  }
  const isTls = url.protocol === "https:";
  const call = isTls ? requestHttps : requestHttp;
  const port = Number(url.port) || (isTls ? 443 : 80);
  let isOver = false;
  const lookup = lookupInTurn({ namespace: options.namespace, refuses, isOver: () => isOver });
  const request = call(url, {
    method,
    headers: { ...headers, ...(content && { "Content-Length": String(content.length) }) },
    createConnection: () => dial(isTls, { host, port, lookup }, url.host),
    maxHeaderSize: REGISTRY_HEADER_BYTES,
    ...(signal && { signal }),
  });
  boundInterimAnswers(request);
  const timeout = clock.after(REGISTRY_TIMEOUT_MS, () => {
    failed(`no answer in ${REGISTRY_TIMEOUT_MS} ms`);
    request.destroy();
  });
  // Stays after the answer has come: what fails then is the answer's to report.
  request.on("error", (error) => failed(messageOf(error), error));
  request.on("close", () => {
    isOver = true;
    timeout.cancel();
    failed("the connection was closed");
  });
  request.on("response", (response) => {
    timeout.cancel();
    response.on("error", () => undefined);
    resolve(response);
  });
  request.end(content);
  return promise;
}

/** Sends a request again, REGISTRY_WAITS times, where a server asks for a short wait (RFC 6585). */
async function sendPatiently(url: URL, options: GetOptions): Promise<IncomingMessage> {
  for (let waits = 0; ; waits++) {
    const response = await send(url, options);
    const wait_ms = Number(response.headers["retry-after"] ?? 1) * 1_000;
    const isShort = wait_ms >= 0 && wait_ms <= REGISTRY_WAIT_MS;
    if (response.statusCode !== 429 || waits === REGISTRY_WAITS || !isShort) return response;
    response.destroy();
    await delay(options.clock, wait_ms, options.signal);
  }
}

/** The next place to ask after a redirection, or undefined. Never from TLS to plain text. */
function redirection(url: URL, response: IncomingMessage): URL | undefined {
  const { statusCode = 0, headers } = response;
  const { location } = headers;
  if (![301, 302, 303, 307, 308].includes(statusCode) || !location) return undefined;
  response.destroy();
  const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
  if (next?.protocol === "https:" || (next?.protocol === "http:" && url.protocol === "http:")) {
    return next;
  }
  throw unavailable(`${url.origin} redirects to what cannot be followed`);
}

/** Returns the headers for a redirection: credentials go only to the server that they are for. */
function headersFor(headers: GetOptions["headers"], from: URL, to: URL): GetOptions["headers"] {
  if (from.origin === to.origin) return headers;
  const { Authorization: _, ...others } = headers;
  return others;
}

/** One request to this server alone: no redirection is followed. */
export async function ask(where: string, options: GetOptions): Promise<HttpAnswer> {
  if (!URL.canParse(where)) throw unavailable(`${options.name}: ${where} is no URL`);
  const response = await sendPatiently(new URL(where), options);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    redirected: false,
    body: bodyOf(response, options),
    cancel: () => void response.destroy(),
  };
}

/** GET with redirections followed, REGISTRY_REDIRECTS at most. */
export async function get(where: string, options: GetOptions): Promise<HttpAnswer> {
  if (!URL.canParse(where)) throw unavailable(`${options.name}: ${where} is no URL`);
  const { origin } = new URL(where);
  let url = new URL(where);
  let { headers } = options;
  for (let redirects = 0; ; redirects++) {
    const response = await sendPatiently(url, { ...options, headers });
    const next = redirection(url, response);
    if (next === undefined) {
      return {
        status: response.statusCode ?? 0,
        headers: response.headers,
        redirected: url.origin !== origin,
        body: bodyOf(response, options),
        cancel: () => void response.destroy(),
      };
    }
    if (redirects === REGISTRY_REDIRECTS) {
      throw unavailable(`${options.name}: more than ${REGISTRY_REDIRECTS} redirections`);
    }
    headers = headersFor(headers, url, next);
    url = next;
  }
}

/**
 * The bytes of an answer. Only the time that is spent waiting for the other side counts: each
 * REGISTRY_TIMEOUT_MS of it must bring REGISTRY_PROGRESS_BYTES or the end.
 */
async function* bodyOf(
  response: IncomingMessage,
  { clock, name }: GetOptions,
): AsyncGenerator<Buffer> {
  const chunks = (response as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  let [waited_ms, bytes] = [0, 0];
  try {
    for (;;) {
      const before_ms = clock.monotonic();
      const left_ms = REGISTRY_TIMEOUT_MS - waited_ms;
      const slow = () => response.destroy(unavailable("it came too slowly"));
      const timeout = clock.after(left_ms, slow);
      const { value, done } = await chunks.next().finally(() => timeout.cancel());
      if (done) break;
      waited_ms += clock.monotonic() - before_ms;
      bytes += (value as Buffer).length;
      if (bytes >= REGISTRY_PROGRESS_BYTES) [waited_ms, bytes] = [0, 0];
      yield value as Buffer;
    }
  } catch (cause) {
    throw unavailable(`${name}: the transfer failed: ${messageOf(cause)}`, cause);
  } finally {
    response.destroy();
  }
  if (!response.complete) throw unavailable(`${name}: the answer ended early`);
}
