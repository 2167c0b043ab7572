import { type IncomingMessage, ServerResponse } from "node:http";
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Counter } from "@raft2kube/observe/families.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { KEEP_ALIVE_MS } from "@raft2kube/rpc/limits.ts";
import { TLS_FLOOR } from "@raft2kube/rpc/tls-floor.ts";
import { pacedOf, sourceOf } from "@raft2kube/streaming/paced-socket.ts";
import { endRefused } from "@raft2kube/streaming/upgrade.ts";
import { noteSocket } from "../authn/client-certificate.ts";
import {
  CLOSING_RETRY_S,
  CONNECTION_CHECK_MS,
  DRAIN_TIMEOUT_MS,
  FRAMED_BYTES_MAX,
  HANDSHAKE_TIMEOUT_MS,
  HEADER_BYTES_MAX,
  HEADERS_TIMEOUT_MS,
  HTTP2_CONNECTION_MB_MAX,
  HTTP2_RESETS_MAX,
  HTTP2_RESETS_PER_S,
  HTTP2_STREAMS_MAX,
  IDLE_FRAMES_BYTES_MAX,
  IDLE_FRAMES_CHECK_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  PIECES_OF_REQUEST,
  REQUEST_BODY_TIMEOUT_MS,
} from "../limits.ts";
import type { KeyPair } from "../options.ts";
import type { Incoming, Outgoing } from "../request/context.ts";
import { CONNECTION_LIMITS, type ConnectionLimits, shareConnections } from "./connection-shares.ts";
import { Http1Response } from "./http1-response.ts";
import { refuseUnread } from "./unread.ts";

const log = logger("apiserver");

/** The server's handlers of requests; `upgrade` takes over the connection. */
export interface RequestListener {
  handle(request: Incoming, response: Outgoing): void;
  upgrade(request: IncomingMessage, response: ServerResponse, socket: Duplex, head: Buffer): void;
}

/** Limits that HTTP/1.1 connections have; the type of Node's HTTP/2 server leaves them out. */
type HttpLimits = { headersTimeout: number; requestTimeout: number; keepAliveTimeout: number };

/** Timeouts of a connection, in milliseconds. */
export interface ServerTimeouts {
  readonly handshake_ms: number;
  readonly headers_ms: number;
  readonly request_ms: number;
  /** Time without a request. */
  readonly idle_ms: number;
  /** How often these are looked at. */
  readonly check_ms: number;
}

const TIMEOUTS: ServerTimeouts = {
  handshake_ms: HANDSHAKE_TIMEOUT_MS,
  headers_ms: HEADERS_TIMEOUT_MS,
  request_ms: REQUEST_BODY_TIMEOUT_MS,
  idle_ms: KEEP_ALIVE_TIMEOUT_MS,
  check_ms: CONNECTION_CHECK_MS,
};

export interface ServerInit {
  listen: readonly { host: string; port: number }[];
  tls: KeyPair;
  /** CAs of client certificates, and of those of proxies in front. */
  clientCa: string | string[];
  listener: RequestListener;
  /** Counts connections that are given up before their handshake is done. */
  handshakeErrors?: Counter;
  timeouts?: ServerTimeouts;
  connections?: ConnectionLimits;
}

/**
 * HTTPS on one or more addresses: HTTP/2 for clients that negotiate it, HTTP/1.1 for the others and
 * for upgrades.
 */
export class ApiHttpServer {
  readonly #servers: Http2SecureServer[] = [];
  readonly #sockets = new Set<Socket>();
  /** HTTP/1 connections, each with the number of answers that are due or not wholly sent. */
  readonly #http1 = new Map<Socket, number>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #init: ServerInit;
  #draining: "serves" | "refuses" | undefined;
  #closed: Promise<unknown> | undefined;

  private constructor(init: ServerInit) {
    this.#init = init;
  }

  /** Listens on every address; when one fails, none stays open. */
  static async listen(init: ServerInit): Promise<ApiHttpServer> {
    const server = new ApiHttpServer(init);
    try {
      for (const address of init.listen) await server.#listenOn(address);
    } catch (thrown) {
      await server.close();
      throw thrown;
    }
    return server;
  }

  /** The addresses listened on, ports resolved. */
  get addresses(): { host: string; port: number }[] {
    return this.#servers.map((server) => {
      const { address, port } = server.address() as AddressInfo;
      return { host: address, port };
    });
  }

  /** Shows other certificates, and trusts other CAs, on connections from now on. */
  trust(tls: KeyPair, clientCa: string[]): void {
    for (const server of this.#servers) {
      server.setSecureContext({ ...tls, ca: clientCa, ...TLS_FLOOR });
    }
  }

  async #listenOn(address: { host: string; port: number }): Promise<void> {
    const { tls, clientCa, listener, timeouts = TIMEOUTS } = this.#init;
    const { connections = CONNECTION_LIMITS } = this.#init;
    const server = createSecureServer({
      ...tls,
      ca: clientCa,
      // Any client may connect; one with an unverified certificate gets 401.
      requestCert: true,
      rejectUnauthorized: false,
      ...TLS_FLOOR,
      allowHTTP1: true,
      Http1ServerResponse: Http1Response,
      maxHeaderSize: HEADER_BYTES_MAX,
      handshakeTimeout: timeouts.handshake_ms,
      connectionsCheckingInterval: timeouts.check_ms,
      settings: { maxConcurrentStreams: HTTP2_STREAMS_MAX },
      streamResetBurst: HTTP2_RESETS_MAX,
      streamResetRate: HTTP2_RESETS_PER_S,
      maxSessionMemory: HTTP2_CONNECTION_MB_MAX,
    } as Parameters<typeof createSecureServer>[0]);
    shareConnections(server, connections);
    server.on("secureConnection", (socket: TLSSocket) => {
      this.#sockets.add(socket);
      if (socket.alpnProtocol !== "h2" && !socket.destroyed) this.#admitHttp1(socket);
      socket.setNoDelay(true);
      // A client that vanished leaves a stream without traffic: a shell, a log, a watch.
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    // Node's own takes a connection for idle whose answer is still being sent.
    Object.assign(server, { closeIdleConnections: () => this.#endIdle() });
    // Node sets its own values over those given to the constructor. They bound the reading of a
    // request, not its answer: watches last long.
    const limits = server as Http2SecureServer & HttpLimits;
    limits.headersTimeout = timeouts.headers_ms;
    limits.requestTimeout = timeouts.request_ms;
    limits.keepAliveTimeout = timeouts.idle_ms;
    let accepted: TLSSocket;
    server.prependListener("secureConnection", (socket: TLSSocket) => (accepted = socket));
    // Node makes the session of a connection within its event above.
    server.on("session", (session) => this.#admit(session, accepted, timeouts));
    server.on("request", (request, response) => {
      const outgoing = response as unknown as Outgoing;
      if (request.httpVersionMajor === 1) this.#count(sourceOf(request.socket), outgoing);
      if (this.#mayServe(request, outgoing)) listener.handle(request, outgoing);
    });
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#http1.delete(sourceOf(socket));
      const response = new ServerResponse(request);
      response.assignSocket(socket as Socket);
      response.on("finish", () => endRefused(socket));
      socket.on("error", () => socket.destroy());
      listener.upgrade(request, response, socket, head);
    });
    server.on("tlsClientError", (_error, socket) => {
      this.#init.handshakeErrors?.add();
      socket.destroy();
    });
    server.on("sessionError", () => undefined);
    server.on("clientError", refuseUnread);
    await new Promise<void>((resolve, reject) => {
      // After it listens: a connection that could not be accepted, as descriptors are used up.
      server.on("error", (error) => {
        log.warn("a connection could not be accepted", { reason: error.message });
        reject(error);
      });
      server.listen(address.port, address.host, resolve);
    });
    this.#servers.push(server);
  }

  #admitHttp1(socket: TLSSocket): void {
    this.#http1.set(socket, 0);
    socket.on("close", () => this.#http1.delete(socket));
  }

  /**
   * Keeps an HTTP/2 connection until it has had no stream for a while. Frames alone do not keep
   * it: pings, or headers that never end, which a polite close would wait for. Node only ends its
   * side of the socket, also of a client that goes away: one that sends on loses it, and so does
   * one with too many frames that carry nothing.
   */
  #admit(
    session: ServerHttp2Session,
    socket: TLSSocket,
    { idle_ms, check_ms }: ServerTimeouts,
  ): void {
    let streams = 0;
    let framed_bytes = IDLE_FRAMES_BYTES_MAX;
    noteSocket(session, socket);
    const paced = pacedOf(session);
    // Clients widen the windows of what is written to them.
    const looking = setInterval(() => {
      if (socket.bytesRead > framed_bytes + socket.bytesWritten) socket.destroy();
    }, IDLE_FRAMES_CHECK_MS).unref();
    const cutSoon = () => {
      setTimeout(() => streams === 0 && socket.destroy(), check_ms).unref();
    };
    const timer = setTimeout(() => {
      if (streams > 0) return;
      session.close();
      cutSoon();
    }, idle_ms).unref();
    this.#sessions.add(session);
    session.on("close", () => {
      clearTimeout(timer);
      clearInterval(looking);
      this.#sessions.delete(session);
    });
    session.on("stream", (stream) => {
      streams++;
      framed_bytes += FRAMED_BYTES_MAX;
      paced?.came(PIECES_OF_REQUEST);
      // Node calls it with each frame of the body.
      const { push } = stream;
      stream.push = (...piece) => {
        framed_bytes += FRAMED_BYTES_MAX;
        paced?.came(1);
        return push.apply(stream, piece);
      };
      stream.on("close", () => {
        streams--;
        if (session.closed) cutSoon();
        else timer.refresh();
      });
    });
  }

  /**
   * Whether a request is to be served. Of a server that closes, HTTP/1 connections end with their
   * next answer, which is a 429 if it `refuses` (upstream's --shutdown-send-retry-after).
   */
  #mayServe({ httpVersionMajor }: Incoming, response: Outgoing): boolean {
    if (this.#draining === undefined || httpVersionMajor !== 1) return true;
    response.setHeader("Connection", "close");
    if (this.#draining === "serves") return true;
    response.writeHead(429, {
      "Retry-After": String(CLOSING_RETRY_S),
      "Content-Type": "text/plain; charset=utf-8",
    });
    response.end("The apiserver is shutting down, please try again later.\n");
    return false;
  }

  /**
   * Stops listening. HTTP/2 connections take no new requests (GOAWAY: clients repeat them on
   * another connection) and end with their last; idle HTTP/1 ones end now.
   */
  drain(refuses = false): void {
    this.#draining ??= refuses ? "refuses" : "serves";
    this.#closed ??= Promise.all(
      this.#servers.map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
          }),
      ),
    );
    for (const session of this.#sessions) session.close();
  }

  /** Drains, lets requests in flight finish for DRAIN_TIMEOUT_MS, then cuts what is left. */
  async close(): Promise<void> {
    this.drain();
    const cut = setTimeout(() => this.#cut(), DRAIN_TIMEOUT_MS);
    await this.#closed;
    clearTimeout(cut);
  }

  /** Counts an answer of an HTTP/1 connection until it is sent; ends one that drains with it. */
  #count(socket: Socket, response: Outgoing): void {
    this.#http1.set(socket, (this.#http1.get(socket) ?? 0) + 1);
    response.once("close", () => {
      const due = (this.#http1.get(socket) ?? 1) - 1;
      if (!socket.destroyed) this.#http1.set(socket, due);
      if (due === 0 && this.#draining) socket.destroySoon();
    });
  }

  #endIdle(): void {
    for (const [socket, due] of this.#http1) if (due === 0) socket.destroySoon();
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
