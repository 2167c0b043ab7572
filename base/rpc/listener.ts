import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type RequestListener,
} from "node:http";
import { createServer as createNetServer, type Server as NetServer, type Socket } from "node:net";
import {
  createServer as createTlsServer,
  type PeerCertificate,
  type SecureContextOptions,
  type SecureVersion,
  type TLSSocket,
} from "node:tls";
import { PREFACE } from "@raft2kube/h2/frame.ts";
import { AddressPlaces, type PlaceLimits } from "@raft2kube/std/address-places.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { handshakeEnds } from "@raft2kube/std/handshake-ends.ts";
import { paceHandshakes } from "@raft2kube/std/handshake-turns.ts";
import type { InputTurns } from "@raft2kube/std/input-turns.ts";
import { PacedSocket } from "@raft2kube/streaming/paced-socket.ts";
import {
  CONNECTIONS_MAX,
  FIRST_BYTES_TIMEOUT_MS,
  HANDSHAKE_PLACES,
  HANDSHAKE_TIMEOUT_MS,
  HEADERS_CHECK_MS,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
} from "./limits.ts";
import { TLS_FLOOR } from "./tls-floor.ts";

/**
 * PEM texts, which may be getters: they are read again for each new connection, so that other
 * certificates take the place of old ones without a restart.
 */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  /** Clients must present a certificate that it signed. */
  readonly clientCa?: string | undefined;
  /** Certificates of clients that are revoked. */
  readonly crl?: string | undefined;
  readonly minVersion?: SecureVersion | undefined;
  readonly maxVersion?: SecureVersion | undefined;
  /** OpenSSL's names, with colons between them; else TLS_FLOOR's. */
  readonly ciphers?: string | undefined;
  /** Returns why a verified client certificate is refused: the connection is then closed. */
  readonly refuses?: ((certificate: PeerCertificate) => string | undefined) | undefined;
}

export interface ListenerOptions {
  /** `plainToo`: beside TLS also connections without it, which the first byte distinguishes. */
  listen: { host: string; port: number; plainToo?: boolean } | { path: string };
  tls: ServerTls | undefined;
  /** Takes connections that speak HTTP/2; without it they are closed, and TLS does not offer it. */
  onHttp2?: (socket: Socket | TLSSocket) => void;
  /** Serves those that speak HTTP/1.1; without it they are closed. */
  http: RequestListener | undefined;
  /** Bound of the input of connections that speak HTTP/1.1. */
  turns: InputTurns;
  /** The most connections before their handshake is done. */
  handshakes?: PlaceLimits;
  /** HTTP/1.1: how long a request's headers may take, and how often that is looked at. */
  timeouts?: { readonly headers_ms: number; readonly check_ms: number };
}

const TIMEOUTS = { headers_ms: HEADERS_TIMEOUT_MS, check_ms: HEADERS_CHECK_MS };

export interface Listener {
  /** The TCP port, 0 for a Unix socket. */
  port: number;
  /** Takes no more connections; HTTP/1.1 ones are closed, HTTP/2 ones are their owner's. */
  close(): void;
}

/** Three bytes distinguish PRI from PUT, POST and PATCH. */
const PREFACE_BEGIN = PREFACE.toString("latin1", 0, 3);
/** The type of the record that a TLS connection starts with (RFC 8446, 5.1). */
const TLS_HANDSHAKE = String.fromCharCode(22);

/**
 * Listens for gRPC and plain HTTP/1.1 on one address, as etcd does: the first bytes
 * distinguish them. Rejects when the address is taken.
 */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const http = options.http && httpServer(options.http, options.timeouts ?? TIMEOUTS);
  const accept = (socket: Socket | TLSSocket) => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    readFirst(socket, PREFACE_BEGIN.length, (first) => {
      if (first === PREFACE_BEGIN) options.onHttp2 ? options.onHttp2(socket) : socket.destroy();
      else if (http) http.emit("connection", new PacedSocket(socket, options.turns));
      else socket.destroy();
    });
  };
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  // Once it listens, a connection that could not be accepted is its client's to try again.
  const secure = options.tls && tlsListener(options.tls, options, accept, reject);
  const divide = (socket: Socket) =>
    readFirst(socket, TLS_HANDSHAKE.length, (first) => {
      if (first === TLS_HANDSHAKE) secure!.emit("connection", socket);
      else accept(socket);
    });
  const { plainToo = false } = "host" in options.listen ? options.listen : {};
  const listener =
    secure && !plainToo ? secure : createNetServer(secure ? divide : accept).on("error", reject);
  listener.maxConnections = CONNECTIONS_MAX;
  listener.listen(options.listen, resolve);
  await listening;
  const address = listener.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close() {
      listener.close();
      http?.close();
      http?.closeAllConnections();
    },
  };
}

/** Serves connections that are handed to it. Bodies are for their readers to bound. */
function httpServer(
  listener: RequestListener,
  { headers_ms, check_ms }: Required<ListenerOptions>["timeouts"],
): HttpServer {
  const options = { headersTimeout: headers_ms, requestTimeout: 0 };
  const server = createHttpServer({ ...options, connectionsCheckingInterval: check_ms }, listener);
  // Node looks at its connections' times from then on, and this server never listens itself.
  server.emit("listening");
  return server;
}

function tlsListener(
  tls: ServerTls,
  { onHttp2, handshakes = HANDSHAKE_PLACES }: ListenerOptions,
  accept: (socket: TLSSocket) => void,
  onError: (error: Error) => void,
): NetServer {
  let used = contextOf(tls);
  const requestCert = tls.clientCa !== undefined;
  const ALPNProtocols = onHttp2 ? ["h2", "http/1.1"] : ["http/1.1"];
  const handshakeTimeout = HANDSHAKE_TIMEOUT_MS;
  const options = { ...used, requestCert, ALPNProtocols, handshakeTimeout };
  const listener = createTlsServer(options, (socket) => {
    if (requestCert && tls.refuses?.(socket.getPeerCertificate()) !== undefined) socket.destroy();
    else accept(socket);
  });
  paceHandshakes(listener, systemClock({ unref: true }));
  boundHandshakes(listener, handshakes);
  listener.on("error", onError);
  // Before the handshake of each connection: the files that the texts came from may have changed.
  listener.prependListener("connection", () => {
    const now = contextOf(tls);
    const same = now.cert === used.cert && now.key === used.key;
    if (same && now.ca === used.ca && now.crl === used.crl) return;
    listener.setSecureContext(now);
    used = now;
  });
  return listener;
}

/** Each takes a descriptor, before anyone has shown a certificate. */
function boundHandshakes(listener: NetServer, limits: PlaceLimits): void {
  const places = new AddressPlaces(limits);
  const onEnd = handshakeEnds(listener);
  listener.on("connection", (socket: Socket) => {
    const leave = places.take(socket);
    if (leave) onEnd(socket, leave);
  });
}

function contextOf(tls: ServerTls): SecureContextOptions {
  const { cert, key, clientCa: ca, crl, minVersion, maxVersion, ciphers } = tls;
  const given = Object.entries({ cert, key, ca, crl, minVersion, maxVersion, ciphers });
  const set = Object.fromEntries(given.filter(([, value]) => value !== undefined));
  return { ...TLS_FLOOR, ...set };
}

/** Passes the first bytes of a connection on, and leaves them for the reader that follows. */
function readFirst(
  socket: Socket | TLSSocket,
  bytes: number,
  onFirst: (first: string) => void,
): void {
  const giveUp = () => socket.destroy();
  socket.on("error", giveUp);
  socket.setTimeout(FIRST_BYTES_TIMEOUT_MS, giveUp);
  let first = Buffer.alloc(0);
  socket.on("readable", function look() {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    first = Buffer.concat([first, chunk]);
    // Kept until there are enough bytes: giving them back earlier would call this again without
    // end.
    if (first.length < bytes) return;
    socket.removeListener("readable", look);
    socket.removeListener("error", giveUp);
    socket.removeListener("timeout", giveUp);
    socket.setTimeout(0);
    socket.unshift(first);
    onFirst(first.toString("latin1", 0, bytes));
  });
}
