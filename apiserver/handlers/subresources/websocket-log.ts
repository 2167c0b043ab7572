import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { refuseUpgrade } from "@raft2kube/streaming/upgrade.ts";
import { upgradeToFrames } from "@raft2kube/streaming/websocket.ts";
import { protocolsWithoutToken } from "../../authn/websocket-token.ts";
import type { RequestContext } from "../../request/context.ts";

const log = logger("apiserver");

const BASE64 = "base64.binary.k8s.io";
/** Upstream's subprotocols: binary messages, or text messages in base64. */
const PROTOCOLS = ["binary.k8s.io", BASE64];

/**
 * Sends a stream as messages of a WebSocket, the first of which is empty and says that the
 * connection stands; what the client sends is dropped. A client that names no protocol gets bytes,
 * one that names others only a 403 (as upstream).
 */
export async function sendOverWebSocket(context: RequestContext, stream: Readable): Promise<void> {
  const { socket, head } = context.upgrade!;
  // The response would frame the bytes that follow, so it is detached from the connection.
  context.response.detachSocket(socket as Socket);
  const offered = protocolsWithoutToken(context.request);
  const chosen = offered.find((protocol) => PROTOCOLS.includes(protocol));
  if (chosen === undefined && offered.length > 0) {
    stream.destroy();
    return refuseUpgrade(socket, 403, `no WebSocket protocol in common: ${PROTOCOLS.join(", ")}`);
  }
  const request = context.request as IncomingMessage;
  const upgraded = await upgradeToFrames(request, socket, head, chosen);
  if (upgraded === undefined) return void stream.destroy();
  const { webSocket } = upgraded;
  webSocket.on("close", () => stream.destroy());
  const send = (data: Buffer) =>
    new Promise<void>((resolve, reject) => {
      const message = chosen === BASE64 ? data.toString("base64") : data;
      webSocket.send(message, (error) => (error ? reject(error) : resolve()));
    });
  try {
    await send(Buffer.alloc(0));
    for await (const chunk of stream) await send(chunk as Buffer);
  } catch (thrown) {
    // One side went away in the middle: the other learns of it by the end of its connection.
    log.debug("a log over WebSocket ended early", { reason: messageOf(thrown) });
  }
  stream.destroy();
  webSocket.close(1000);
}
