import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { methodNotAllowed } from "@raft2kube/apimachinery/errors/catalog.ts";

/** The errors of Node's parser for invalid requests, and their responses. */
const CODES: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};
const BAD_REQUEST = 400;

/**
 * Responds to an HTTP/1 request that the parser rejected, and ends the connection. An unknown
 * method gets upstream's response, which accepts any word as a method.
 */
export function refuseUnread({ code = "" }: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  if (code === "HPE_INVALID_METHOD") {
    const { status } = methodNotAllowed();
    socket.end(
      answer(405, JSON.stringify(status), [
        "content-type: application/json",
        "cache-control: no-cache, private",
      ]),
    );
    return;
  }
  socket.end(answer(CODES[code] ?? BAD_REQUEST, "", []));
}

function answer(code: number, body: string, headers: readonly string[]): string {
  const lines = [
    `HTTP/1.1 ${code} ${STATUS_CODES[code]}`,
    ...headers,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}
