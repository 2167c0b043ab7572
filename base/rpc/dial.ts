import { closeSync, constants, openSync } from "node:fs";
import { connect, isIP, type Socket } from "node:net";
import { basename, dirname } from "node:path";
import { connect as connectTls } from "node:tls";
import { RpcError, Status } from "./error.ts";
import { KEEP_ALIVE_MS, SOCKET_PATH_BYTES_MAX } from "./limits.ts";

/** PEM texts. `cert` and `key` are presented to the server. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The name the server's certificate must carry, where it is not the address's. */
  readonly serverName?: string;
  /** The server's certificate is not verified: it signed itself. */
  readonly anyServer?: boolean;
}

/** The target of a channel. */
export interface Target {
  readonly scheme: "http" | "https";
  /** The `:authority` of requests. */
  readonly authority: string;
  /**
   * Opens a socket; `onOpen` once HTTP/2 may be spoken over it, `onError` when it fails before or
   * after. Throws for unusable TLS files.
   */
  dial(onOpen: () => void, onError: (error: Error) => void): Socket;
}

/**
 * Reads `unix:///path`, `http://host:port`, `https://host:port` (with `tls`) or `host:port`. The
 * fields of `tls` may be getters: they are read for each connection.
 */
export function targetOf(address: string, tls: ClientTls = {}): Target {
  // A path is not a legal `:authority`.
  if (address.startsWith("unix:")) {
    const path = address.replace(/^unix:(\/\/)?/, "");
    const dial: Target["dial"] = (onOpen, onError) => kept(dialUnix(path, onOpen, onError));
    return { scheme: "http", authority: "localhost", dial };
  }
  const secure = address.startsWith("https://");
  const authority = address.replace(/^https?:\/\//, "").replace(/\/$/, "");
  const url = new URL(`http://${authority}`);
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port || (secure ? 443 : 80));
  if (!secure) {
    const dial: Target["dial"] = (onOpen, onError) =>
      kept(connect({ host, port }, onOpen).on("error", onError));
    return { scheme: "http", authority, dial };
  }
  const dial: Target["dial"] = (onOpen, onError) =>
    kept(dialTls({ host, port }, tls, onOpen, onError));
  return { scheme: "https", authority, dial };
}

/** A path longer than the kernel takes is looked up from its directory. Throws if there is none. */
function dialUnix(path: string, onOpen: () => void, onError: (error: Error) => void): Socket {
  const isLong = Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX;
  if (!isLong) return connect({ path }, onOpen).on("error", onError);
  const directory = openSync(dirname(path), constants.O_DIRECTORY);
  try {
    // connect(2) has found the socket when this returns.
    const short = `/proc/self/fd/${directory}/${basename(path)}`;
    return connect({ path: short }, onOpen).on("error", onError);
  } finally {
    closeSync(directory);
  }
}

function dialTls(
  { host, port }: { host: string; port: number },
  tls: ClientTls,
  onOpen: () => void,
  onError: (error: Error) => void,
): Socket {
  const { ca, cert, key, serverName, anyServer } = tls;
  const rejectUnauthorized = anyServer ? false : undefined;
  const options = Object.entries({ ca, cert, key, rejectUnauthorized });
  const given = options.filter(([, value]) => value !== undefined);
  const servername = serverName ?? (isIP(host) ? "" : host);
  const where = { host, port, servername, ALPNProtocols: ["h2"] };
  const socket = connectTls({ ...where, ...Object.fromEntries(given) }, () => {
    if (socket.alpnProtocol === "h2") onOpen();
    else socket.destroy(noHttp2(`${host}:${port}`));
  });
  socket.on("error", onError);
  return socket;
}

function noHttp2(address: string): RpcError {
  const message = `${address} does not speak HTTP/2 over TLS (ALPN)`;
  return new RpcError(Status.UNAVAILABLE, message, { remedy: "give the address of a gRPC server" });
}

function kept(socket: Socket): Socket {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  return socket;
}
