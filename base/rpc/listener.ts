import {
  type RequestListener,
  type Server as HttpServer,
  createServer as createHttpServer,
} from "node:http";
import { type Server as NetServer, type Socket, createServer as createNetServer } from "node:net";
import {
  type PeerCertificate,
  type SecureContextOptions,
  type SecureVersion,
  type TLSSocket,
  createServer as createTlsServer,
} from "node:tls";
import { PREFACE } from "@raft2kube/h2/frame.ts";
import {
  CONNECTIONS_MAX,
  FIRST_BYTES_TIMEOUT_MS,
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
  listen: { host: string; port: number } | { path: string };
  tls: ServerTls | undefined;
  /** Takes connections that speak HTTP/2. */
  onHttp2: (socket: Socket | TLSSocket) => void;
  /** Serves those that speak HTTP/1.1; without it they are closed. */
  http: RequestListener | undefined;
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

/**
 * Listens for gRPC and plain HTTP/1.1 on one address, as etcd does: the first bytes
 * distinguish them. Rejects when the address is taken.
 */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const http = options.http && httpServer(options.http, options.timeouts ?? TIMEOUTS);
  const accept = (socket: Socket | TLSSocket) => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    route(socket, options.onHttp2, (plain) => {
      if (http) http.emit("connection", plain);
      else plain.destroy();
    });
  };
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  // Once it listens, a connection that could not be accepted is its client's to try again.
  const listener = options.tls
    ? tlsListener(options.tls, accept, reject)
    : createNetServer(accept).on("error", reject);
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
  accept: (socket: TLSSocket) => void,
  onError: (error: Error) => void,
): NetServer {
  let used = contextOf(tls);
  const requestCert = tls.clientCa !== undefined;
  const options = { ...used, requestCert, ALPNProtocols: ["h2", "http/1.1"] };
  const listener = createTlsServer(options, (socket) => {
    if (requestCert && tls.refuses?.(socket.getPeerCertificate()) !== undefined) socket.destroy();
    else accept(socket);
  });
  listener.on("error", onError);
  // Before the handshake of each connection: the files behind the texts may be others by now.
  listener.prependListener("connection", () => {
    const now = contextOf(tls);
    const same = now.cert === used.cert && now.key === used.key;
    if (same && now.ca === used.ca && now.crl === used.crl) return;
    listener.setSecureContext(now);
    used = now;
  });
  return listener;
}

function contextOf(tls: ServerTls): SecureContextOptions {
  const { cert, key, clientCa: ca, crl, minVersion, maxVersion, ciphers } = tls;
  const given = Object.entries({ cert, key, ca, crl, minVersion, maxVersion, ciphers });
  const set = Object.fromEntries(given.filter(([, value]) => value !== undefined));
  return { ...TLS_FLOOR, ...set };
}

/** Looks at the first bytes of a connection, and leaves them for whom it belongs to. */
function route(
  socket: Socket | TLSSocket,
  onHttp2: ListenerOptions["onHttp2"],
  onHttp1: (socket: Socket | TLSSocket) => void,
): void {
  const giveUp = () => socket.destroy();
  socket.on("error", giveUp);
  socket.setTimeout(FIRST_BYTES_TIMEOUT_MS, giveUp);
  let first = Buffer.alloc(0);
  socket.on("readable", function look() {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    first = Buffer.concat([first, chunk]);
    // Not given back before it is enough: that would wake this up again at once, without end.
    if (first.length < PREFACE_BEGIN.length) return;
    socket.removeListener("readable", look);
    socket.removeListener("error", giveUp);
    socket.removeListener("timeout", giveUp);
    socket.setTimeout(0);
    socket.unshift(first);
    const http2 = first.toString("latin1", 0, PREFACE_BEGIN.length) === PREFACE_BEGIN;
    if (http2) onHttp2(socket);
    else onHttp1(socket);
  });
}
