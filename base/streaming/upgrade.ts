import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";

/** How long a client whose upgrade was refused may take to close its connection. */
const REFUSED_MS = 1_000;

/**
 * Ends a connection that is not upgraded, with a last text. After an `upgrade` event nothing else
 * reads it: a byte that a client sends would keep it open without end.
 */
export function endRefused(socket: Duplex, text = ""): void {
  socket.end(text);
  socket.resume();
  const late = setTimeout(() => socket.destroy(), REFUSED_MS).unref();
  socket.once("close", () => clearTimeout(late));
}

/** Answers an upgrade request with a plain HTTP status and ends the connection. */
export function refuseUpgrade(socket: Duplex, status: number, message: string, headers = ""): void {
  const body = `${message}\n`;
  endRefused(
    socket,
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers}` +
      "Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n" +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Whether a request asks for this protocol (`spdy/3.1`, `websocket`). */
export function wantsUpgrade(request: IncomingMessage, protocol: string): boolean {
  const { upgrade = "", connection = "" } = request.headers;
  return upgrade.toLowerCase() === protocol && /(^|[\s,])upgrade([\s,]|$)/i.test(connection);
}

/** The values of a header that may come several times, or as a list with commas. */
export function headerList(request: IncomingMessage, name: string): string[] {
  const value = request.headers[name] ?? [];
  const lines = Array.isArray(value) ? value : [value];
  return lines
    .flatMap((line) => line.split(","))
    .map((item) => item.trim())
    .filter(Boolean);
}

/**
 * Takes a connection over to SPDY/3.1. The stream protocol is the first of ours that the client
 * names in `X-Stream-Protocol-Version`; one that names none gets the oldest, `""`. Undefined when
 * none fits: the request is then answered.
 */
export function upgradeToSpdy(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocols: readonly string[],
): string | undefined {
  const wanted = headerList(request, "x-stream-protocol-version");
  const offered = wanted.length === 0 ? [""] : wanted;
  const chosen = protocols.find((protocol) => offered.includes(protocol));
  if (chosen === undefined) {
    const ours = protocols.map((p) => `X-Accepted-Stream-Protocol-Versions: ${p}\r\n`).join("");
    refuseUpgrade(socket, 403, `no stream protocol in common: ${wanted.join(", ")}`, ours);
    return undefined;
  }
  const version = chosen === "" ? "" : `X-Stream-Protocol-Version: ${chosen}\r\n`;
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" +
      `${version}\r\n`,
  );
  if (head.length > 0) socket.unshift(head);
  return chosen;
}
