import type { IncomingHttpHeaders } from "node:http";
import * as http2 from "node:http2";
import { isIP } from "node:net";
import { pipeline, Readable } from "node:stream";
import * as tls from "node:tls";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { REFUSED_STREAM, STALE_CONNECTION, TransportError } from "../errors.ts";
import {
  CONNECT_TIMEOUT_MS,
  CONNECTION_MB_MAX,
  CONNECTION_WINDOW_BYTES,
  DRAINING_MS_MAX,
  PING_INTERVAL_MS,
  PING_TIMEOUT_MS,
  STREAM_WINDOW_BYTES,
  STREAMS_PER_CONNECTION_MAX,
} from "../limits.ts";
import { type ClientPair, pairReader } from "./client-pair.ts";
import type { KubeConnection } from "./credentials.ts";
import { collect, type HttpRequest, type HttpResponse, type Transport } from "./transport.ts";

/** HTTP/2 over TLS. A connection that is full, ending or silent is left for a new one. */
export function http2Transport(connection: KubeConnection, clock: Clock): Transport {
  const pool = new ConnectionPool(connection, clock);
  const { server } = connection;
  return {
    send: (request) =>
      new Promise((resolve, reject) =>
        exchange({ pool, server, clock }, request, { resolve, reject }),
      ),
    fetch: (request) =>
      new Promise((resolve, reject) =>
        exchange({ pool, server, clock }, request, { whole: true, resolve, reject }),
      ),
    close: () => pool.close(),
  };
}

/** One TLS connection and its requests. */
interface Connection {
  readonly session: http2.ClientHttp2Session;
  readonly socket: tls.TLSSocket;
  /** The certificate that the server knows the client by. */
  readonly pair: ClientPair;
  streams: number;
  /** Takes no new requests: the server is ending it, or the client has another certificate. */
  draining: boolean;
  /** Why it broke: the error of its requests. */
  failure: Error | undefined;
  connected: boolean;
}

class ConnectionPool {
  readonly #options: tls.ConnectionOptions;
  readonly #pair: () => ClientPair;
  readonly #origin: string;
  readonly #clock: Clock;
  readonly #connections = new Set<Connection>();
  readonly prefix: string;

  constructor(connection: KubeConnection, clock: Clock) {
    const url = new URL(connection.server);
    this.#origin = url.origin;
    this.prefix = url.pathname.replace(/\/$/, "");
    this.#clock = clock;
    this.#pair = pairReader(connection, clock);
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const { ca, tlsServerName: servername = isIP(host) ? undefined : host } = connection;
    const port = Number(url.port || 443);
    const protocol = { ALPNProtocols: ["h2"], minVersion: "TLSv1.2" } as const;
    this.#options = { host, port, ...protocol, ...given({ ca, servername }) };
  }

  /** A connection with room for one more request. */
  take(): Connection {
    for (const connection of this.#connections) {
      const { session, draining, streams } = connection;
      if (!draining && !session.destroyed && streams < STREAMS_PER_CONNECTION_MAX) {
        return connection;
      }
    }
    return this.#open();
  }

  close(): void {
    for (const { session } of this.#connections) session.destroy();
    this.#connections.clear();
  }

  /**
   * Ends a silent connection now: Node closes a session only once what it was writing is written.
   */
  #cut(connection: Connection, why: Error): void {
    this.#connections.delete(connection);
    connection.session.destroy(why);
    connection.socket.destroy();
  }

  #open(): Connection {
    const pair = this.#pair();
    const socket = tls.connect({ ...this.#options, ...pair });
    socket.on("error", () => undefined); // its session reports it
    const session = http2.connect(this.#origin, {
      createConnection: () => socket,
      maxSessionMemory: CONNECTION_MB_MAX,
      settings: { initialWindowSize: STREAM_WINDOW_BYTES },
    });
    const connection: Connection = {
      session,
      socket,
      pair,
      streams: 0,
      draining: false,
      failure: undefined,
      connected: false,
    };
    let timer = this.#clock.after(CONNECT_TIMEOUT_MS, () => {
      const message = `no connection within ${CONNECT_TIMEOUT_MS} ms`;
      this.#cut(connection, new TransportError("ETIMEDOUT", message));
    });
    session.once("connect", () => {
      timer.cancel();
      connection.connected = true;
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
      timer = this.#pingLater(connection, (next) => (timer = next));
    });
    session.once("goaway", () => this.#drain(connection, "the server ended the connection"));
    session.on("error", (error: Error) => {
      connection.failure ??= error;
    });
    session.once("close", () => {
      connection.draining = true;
      timer.cancel();
      this.#connections.delete(connection);
    });
    this.#connections.add(connection);
    return connection;
  }

  /** Lets the connection end with its answers, of which none goes on for long: it has no pings. */
  #drain(connection: Connection, why: string): void {
    connection.draining = true;
    const cut = this.#clock.after(DRAINING_MS_MAX, () => {
      const message = `${why} ${DRAINING_MS_MAX} ms ago`;
      this.#cut(connection, new TransportError("ETIMEDOUT", message));
    });
    connection.session.once("close", () => cut.cancel());
  }

  /**
   * A peer that vanished without a word is found out by its silence, and at the same time a
   * connection of a replaced certificate is left: it closes once its streams have ended, or cuts
   * those that last longer than DRAINING_MS_MAX.
   */
  #pingLater(connection: Connection, next: (timer: Timer) => void): Timer {
    const { session } = connection;
    return this.#clock.after(PING_INTERVAL_MS, () => {
      if (session.destroyed) return;
      if (!connection.draining && this.#pair() !== connection.pair) {
        this.#drain(connection, "the client's certificate was replaced");
        session.close();
      }
      const limit = this.#clock.after(PING_TIMEOUT_MS, () => {
        const message = `no answer to a ping within ${PING_TIMEOUT_MS} ms`;
        this.#cut(connection, new TransportError("ETIMEDOUT", message));
      });
      next(limit);
      session.ping((error) => {
        limit.cancel();
        if (!error && !session.destroyed) next(this.#pingLater(connection, next));
      });
    });
  }
}

type Peer = { readonly pool: ConnectionPool; readonly server: string; readonly clock: Clock };

type Outcome = { reject(error: Error): void } & (
  | { whole?: never; resolve(response: HttpResponse): void }
  | { whole: true; resolve(response: HttpResponse<Buffer>): void }
);

/** Sends a request; resolves with the answer, or with its head unless `whole` is asked for. */
function exchange(
  { pool, server, clock }: Peer,
  { method, path, headers, body, signal, timeout_ms, bytes_max }: HttpRequest,
  outcome: Outcome,
): void {
  const { reject } = outcome;
  const what = `${method} ${server}${path}`;
  if (signal?.aborted) return reject(canceled(what));
  const connection = pool.take();
  const reused = connection.connected;
  const head = { ":method": method, ":path": pool.prefix + path, ...headers };
  const stream = connection.session.request(head, { endStream: body === undefined });
  connection.streams += 1;
  const abort = () => stream.destroy(canceled(what));
  const timer = clock.after(timeout_ms, () => {
    const message = `${what}: no answer within ${timeout_ms} ms`;
    stream.destroy(new TransportError("ETIMEDOUT", message));
  });
  signal?.addEventListener("abort", abort, { once: true });
  let state: "sent" | "answered" | "done" = "sent";
  const cut = () => brokenOff(connection, what);
  const failed = (error: Error | undefined) =>
    transportError(error, connection, what, { reused, rstCode: stream.rstCode });
  stream.once("response", (answer) => {
    const status = Number(answer[":status"] ?? 0);
    const response = { status, headers: answer as IncomingHttpHeaders };
    if (!outcome.whole) {
      state = "done";
      timer.cancel();
      return outcome.resolve({ ...response, body: readFromNow(stream, cut) });
    }
    state = "answered";
    const ended = (body: Buffer) => {
      if (!isComplete(stream)) return;
      state = "done";
      outcome.resolve({ ...response, body });
    };
    collect(stream, what, ended, bytes_max);
  });
  stream.once("error", (error: Error) => {
    const broken = state === "answered" && !(error instanceof TransportError);
    reject(broken ? cut() : failed(error));
  });
  stream.once("close", () => {
    connection.streams -= 1;
    timer.cancel();
    signal?.removeEventListener("abort", abort);
    if (state === "answered") reject(cut());
    if (state === "sent") reject(failed(undefined));
  });
  if (body instanceof Readable) pipeline(body, stream, () => undefined);
  else if (body !== undefined) stream.end(body);
}

/**
 * Whether a stream that has ended has all of its answer. Node also ends a stream whose connection
 * broke, or that the server reset with CANCEL: only the close code distinguishes these.
 */
function isComplete(stream: http2.ClientHttp2Stream): boolean {
  return stream.rstCode === http2.constants.NGHTTP2_NO_ERROR;
}

/**
 * Returns a stream's data for a reader that may start later. Node destroys a stream that has
 * received everything and has no reader, with its data: so reading starts immediately.
 */
function readFromNow(stream: http2.ClientHttp2Stream, cut: () => TransportError): Readable {
  const body = new Readable({
    read: () => void stream.resume(),
    destroy: (error, done) => {
      if (!stream.closed) stream.close(http2.constants.NGHTTP2_CANCEL);
      done(error);
    },
  });
  // A reader who comes later gets it from the body.
  body.on("error", () => undefined);
  stream.on("data", (chunk: Buffer) => {
    if (!body.push(chunk)) stream.pause();
  });
  const ended = () => {
    if (isComplete(stream)) body.push(null);
    else body.destroy(cut());
  };
  stream.once("end", ended);
  stream.once("error", (error) => body.destroy(error));
  stream.once("close", () => {
    if (!stream.readableEnded) body.destroy(cut());
  });
  return body;
}

function canceled(what: string): TransportError {
  return new TransportError("ECANCELED", `${what}: canceled`);
}

/** An answer whose end never came. */
function brokenOff({ failure: cause }: Connection, what: string): TransportError {
  const why = cause ? `: ${messageOf(cause)}` : "";
  return new TransportError("ECONNRESET", `${what}: the answer broke off${why}`, { cause });
}

/** The connection's own error is more useful than those of its streams. */
function transportError(
  error: Error | undefined,
  connection: Connection,
  what: string,
  { reused, rstCode }: { readonly reused: boolean; readonly rstCode: number | undefined },
): TransportError {
  if (error instanceof TransportError) return error;
  const cause = connection.failure ?? error;
  // Also what came after a GOAWAY: the server has not processed it (RFC 9113, 8.7).
  if (rstCode === http2.constants.NGHTTP2_REFUSED_STREAM) {
    return new TransportError(REFUSED_STREAM, `${what}: the server took no more requests`);
  }
  const message = cause ? messageOf(cause) : "the server closed the connection";
  // Node wraps the connection's error for the streams that wait for it.
  const code = codeOf((cause as Error | undefined)?.cause) ?? codeOf(cause) ?? "ECONNRESET";
  // A balancer without a server takes a connection, and ends it before TLS: nothing was sent.
  const refused = code === "ECONNREFUSED" || (code === "ECONNRESET" && !connection.connected);
  const reported = refused ? "ECONNREFUSED" : reused ? STALE_CONNECTION : code;
  return new TransportError(reported, `${what}: ${message}`, { cause });
}
