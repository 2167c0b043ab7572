import type { RequestListener } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { Http2ServerConnection } from "@raft2kube/h2/server-connection.ts";
import type { Http2Stream, StreamListener } from "@raft2kube/h2/stream.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import type { InputTurns } from "@raft2kube/std/input-turns.ts";
import { Deadlines } from "./deadlines.ts";
import { errorHead } from "./grpc-answer.ts";
import type { CallContext, CallOrigin } from "./grpc-call.ts";
import { type GrpcRequest, type HttpRequest, readHead } from "./grpc-request.ts";
import { handOverTo, refuseHttp } from "./http-request.ts";
import { REQUEST_TIMEOUT_MS, SHUTDOWN_GRACE_MS, UNREAD_ANSWERS_LOOK_MS } from "./limits.ts";
import type { Routes } from "./routes.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";
import { UnreadAnswers } from "./unread-answers.ts";

interface ConnectionsOptions {
  readonly clock: Clock;
  readonly turns?: InputTurns;
  readonly routes: Routes;
  readonly messageBytes_max: number;
  readonly streams_max: number;
  readonly http: RequestListener | undefined;
  readonly tracer?: Tracer | undefined;
}

/** Bytes that connections carried, frames and TLS included. */
export type Traffic = { readonly receivedBytes: number; readonly sentBytes: number };

type Request = GrpcRequest | HttpRequest;

/** The HTTP/2 connections of one server, and the calls on them. */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #all = new Set<Http2ServerConnection<Request>>();
  readonly #context: CallContext;
  readonly #onHttp: typeof refuseHttp;
  /** Totals of closed connections. */
  readonly #past: { receivedBytes: number; sentBytes: number } = { receivedBytes: 0, sentBytes: 0 };
  readonly #slowest = new UnreadAnswers();
  #sweeper: Timer | undefined;
  #looker: Timer | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(options: ConnectionsOptions) {
    const { clock, messageBytes_max, http, tracer } = options;
    this.#options = options;
    const deadlines = new Deadlines(clock);
    const counts = { unfinishedBytes: 0, unread: { bytes: 0 } };
    this.#context = { clock, deadlines, messageBytes_max, tracer, ...counts };
    this.#onHttp = http ? handOverTo(http) : refuseHttp;
  }

  /** Serves a socket whose client speaks HTTP/2. */
  add(socket: Duplex): void {
    const origin = originOf(socket);
    const connection = new Http2ServerConnection<Request>(socket, {
      clock: this.#options.clock,
      turns: this.#options.turns,
      streams_max: this.#options.streams_max,
      unread: this.#context.unread,
      interpret: (head) => readHead(head, this.#options.routes),
      onRequest: (stream, request) => this.#open(stream, request, origin),
      onClose: () => {
        this.#all.delete(connection);
        addTraffic(this.#past, socket);
        if (this.#all.size === 0) this.#onEmpty?.();
      },
    });
    this.#all.add(connection);
    this.#sweeper ??= this.#sweepLater();
    this.#looker ??= this.#lookLater();
  }

  /** Bytes on all connections since the start. */
  traffic(): Traffic {
    const sum = { ...this.#past };
    for (const { socket } of this.#all) addTraffic(sum, socket);
    return sum;
  }

  /**
   * Ends once the calls under way are answered, or cut after SHUTDOWN_GRACE_MS. Streams of requests
   * take no more of them.
   */
  async close(): Promise<void> {
    if (this.#all.size > 0) {
      await new Promise<void>((resolve) => {
        const cut = this.#options.clock.after(SHUTDOWN_GRACE_MS, resolve);
        this.#onEmpty = () => {
          cut.cancel();
          resolve();
        };
        for (const connection of this.#all) connection.drain();
        this.#eachCall((call) => call instanceof StreamCall && call.endRequests());
      });
    }
    for (const { socket } of this.#all) socket.destroy();
    this.#sweeper?.cancel();
    this.#looker?.cancel();
    this.#context.deadlines.close();
  }

  #open(stream: Http2Stream, request: Request, origin: CallOrigin): StreamListener {
    if (request.kind === "http") return this.#onHttp(stream, request.head);
    const { route, refusal } = request;
    if (refusal || !route) return refuse(stream, request);
    const { clientStream, serverStream } = route.method;
    return clientStream || serverStream
      ? new StreamCall(stream, { ...request, route }, this.#context, origin)
      : new UnaryCall(stream, request, this.#context, origin);
  }

  /** Requests that never become complete are given up, without a timer for each. */
  #sweepLater(): Timer {
    return this.#options.clock.after(REQUEST_TIMEOUT_MS, () => {
      this.#sweeper = this.#all.size > 0 ? this.#sweepLater() : undefined;
      this.#eachCall((call) => call instanceof UnaryCall && call.sweep());
    });
  }

  #lookLater(): Timer {
    return this.#options.clock.after(UNREAD_ANSWERS_LOOK_MS, () => {
      this.#slowest.look(this.#all, this.#context.unread.bytes);
      this.#looker = this.#all.size > 0 ? this.#lookLater() : undefined;
    });
  }

  #eachCall(act: (call: StreamListener | undefined) => unknown): void {
    for (const { streams } of this.#all) {
      for (const { listener } of streams.values()) act(listener);
    }
  }
}

function addTraffic(sum: { receivedBytes: number; sentBytes: number }, socket: Duplex): void {
  if (!(socket instanceof Socket)) return;
  sum.receivedBytes += socket.bytesRead;
  sum.sentBytes += socket.bytesWritten;
}

const NOBODY: StreamListener = { onData() {}, onEnd() {}, onAborted() {} };

function refuse(stream: Http2Stream, { refusal }: GrpcRequest): StreamListener {
  if (refusal) stream.fields(errorHead(refusal), { end: true });
  return NOBODY;
}

/** The socket's words are kept: after its end it has none. */
function originOf(socket: Duplex): CallOrigin {
  const commonName = commonNameOf(socket);
  if (!(socket instanceof Socket) || socket.remoteAddress === undefined) {
    return { peer: "", commonName };
  }
  return { peer: socket.remoteAddress, commonName };
}

/** TLS has verified what certificate there is: without that the connection would not be. */
function commonNameOf(socket: Duplex): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const { CN } = socket.getPeerCertificate().subject ?? {};
  return typeof CN === "string" ? CN : undefined;
}
