import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import { MESSAGE_BYTES } from "./limits.ts";
import { headerList, refuseUpgrade } from "./upgrade.ts";

/**
 * Takes a connection over to WebSocket with the first of `protocols` (ours, in order) that the
 * client offers. Undefined when there is none: the request is then answered with 400.
 */
export async function upgradeToWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocols: readonly string[],
): Promise<WebSocket | undefined> {
  const offered = headerList(request, "sec-websocket-protocol");
  const chosen = protocols.find((protocol) => offered.includes(protocol));
  if (chosen === undefined) {
    refuseUpgrade(socket, 400, `no WebSocket protocol in common, spoken: ${protocols.join(", ")}`);
    return undefined;
  }
  const server = new WebSocketServer({
    noServer: true,
    handleProtocols: () => chosen,
    maxPayload: MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  return new Promise((resolve) => server.handleUpgrade(request, socket, head, resolve));
}
