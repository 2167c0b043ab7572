import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { MESSAGE_BYTES } from "./limits.ts";
import { paced } from "./paced.ts";
import { headerList, refuseUpgrade } from "./upgrade.ts";

/**
 * Takes a connection over to WebSocket with the first protocol of the client's that is among
 * `protocols`, or with none where the client names none. Undefined when none fits: the request is
 * then answered with 403 (as upstream's handshake).
 */
export async function upgradeToWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocols: readonly string[],
): Promise<WebSocket | undefined> {
  const offered = headerList(request, "sec-websocket-protocol");
  const chosen = offered.find((protocol) => protocols.includes(protocol));
  if (chosen === undefined && offered.length > 0) {
    refuseUpgrade(socket, 403, `no WebSocket protocol in common, spoken: ${protocols.join(", ")}`);
    return undefined;
  }
  return (await upgradeToFrames(request, socket, head, chosen))?.webSocket;
}

/**
 * The same with `protocol`, or with none; undefined when the request is malformed, which is then
 * answered with 400, or the client has gone. Frames may be written to `connection` as well: nothing
 * is compressed, and what the WebSocket writes to it are whole frames. A client that breaks the
 * protocol (RFC 6455, 7.1.7) loses its connection: callers learn of it by `close`.
 */
export function upgradeToFrames(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocol: string | undefined,
): Promise<{ webSocket: WebSocket; connection: Duplex } | undefined> {
  const server = new WebSocketServer({
    noServer: true,
    handleProtocols: () => protocol ?? false,
    maxPayload: MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  socket.on("error", () => socket.destroy());
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve(undefined);
    socket.once("close", () => resolve(undefined));
    if (head.length > 0) socket.unshift(head);
    const connection = paced(socket);
    server.handleUpgrade(request, connection, Buffer.alloc(0), (webSocket) => {
      webSocket.on("error", () => webSocket.terminate());
      resolve({ webSocket, connection });
    });
  });
}
