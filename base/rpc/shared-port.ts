import { type RequestListener, createServer as createHttpServer } from "node:http";
import { type Server as NetServer, type Socket, createServer as createNetServer } from "node:net";
import { type TLSSocket, createServer as createTlsServer } from "node:tls";
import type { ServerTls } from "./server.ts";

/** How every HTTP/2 connection begins (RFC 9113, section 3.4). */
const HTTP2_PREFACE = "PRI";
/** A connection that has not said which protocol it speaks by then is closed. */
const FIRST_BYTES_TIMEOUT_MS = 10_000;

export interface SharedPortOptions {
  listen: { host: string; port: number } | { path: string };
  tls: ServerTls | undefined;
  /** Takes connections that speak HTTP/2. */
  onHttp2: (socket: Socket | TLSSocket) => void;
  /** Serves those that speak HTTP/1.1. */
  http: RequestListener;
}

export interface SharedPort {
  /** The TCP port, 0 for a Unix socket. */
  port: number;
  /** Takes no more connections; HTTP/1.1 ones are closed, HTTP/2 ones are their owner's. */
  close(): void;
}

/**
 * Listens for gRPC and plain HTTP/1.1 on one address, as etcd does: the first bytes tell them
 * apart.
 */
export async function sharedPort(options: SharedPortOptions): Promise<SharedPort> {
  const http = createHttpServer(options.http);
  const accept = (socket: Socket | TLSSocket) => route(socket, options.onHttp2, http);
  const listener = options.tls ? tlsListener(options.tls, accept) : createNetServer(accept);
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(options.listen, resolve);
  });
  const address = listener.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close() {
      listener.close();
      http.closeAllConnections();
    },
  };
}

function tlsListener(tls: ServerTls, accept: (socket: TLSSocket) => void): NetServer {
  return createTlsServer(
    {
      cert: tls.cert,
      key: tls.key,
      ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true }),
      ALPNProtocols: ["h2", "http/1.1"],
    },
    accept,
  );
}

function route(
  socket: Socket | TLSSocket,
  onHttp2: SharedPortOptions["onHttp2"],
  http: ReturnType<typeof createHttpServer>,
): void {
  const giveUp = () => socket.destroy();
  socket.on("error", giveUp);
  socket.setTimeout(FIRST_BYTES_TIMEOUT_MS, giveUp);
  socket.on("readable", function look() {
    const first: Buffer | null = socket.read();
    if (first === null) return;
    socket.unshift(first);
    // Three bytes tell PRI from PUT, POST and PATCH.
    if (first.length < HTTP2_PREFACE.length) return;
    socket.removeListener("readable", look);
    socket.removeListener("error", giveUp);
    socket.setTimeout(0);
    const http2 = first.toString("latin1", 0, HTTP2_PREFACE.length) === HTTP2_PREFACE;
    if (http2) onHttp2(socket);
    else http.emit("connection", socket);
  });
}
