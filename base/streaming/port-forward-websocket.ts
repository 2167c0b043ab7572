import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import { createWebSocketStream } from "ws";
import type { PortForwardOptions } from "./port-forward.ts";
import { forwardOverSpdy } from "./port-forward-spdy.ts";
import { refuseUpgrade } from "./upgrade.ts";
import { upgradeToWebSocket } from "./websocket.ts";
import { CHANNELS, WebSocketChannels } from "./websocket-channels.ts";

/** SPDY/3.1 as it is, in binary messages: what kubectl speaks from 1.31 on. */
const TUNNEL = "SPDY/3.1+portforward.k8s.io";
/** A client that names none speaks binary channels. */
const PROTOCOLS = [TUNNEL, "v4.channel.k8s.io", "v4.base64.channel.k8s.io"];

function portBytes(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(port);
  return bytes;
}

/**
 * Two channels per port, data and error; each starts with the port's number. Neither side can end a
 * channel, so a connection is over when the pod has ended its side, and the session with the last
 * one (as upstream).
 */
async function forwardOverChannels(
  channels: WebSocketChannels,
  options: PortForwardOptions,
): Promise<void> {
  const connections = options.ports.map((port, index) => {
    const [dataChannel, errorChannel] = [2 * index, 2 * index + 1];
    channels.send(dataChannel, portBytes(port));
    channels.send(errorChannel, portBytes(port));
    const writable = channels.writer(dataChannel);
    const data = Duplex.from({ readable: channels.reader(dataChannel), writable });
    data.on("error", () => data.destroy());
    writable.once("finish", () => channels.end(dataChannel));
    const error = channels.writer(errorChannel);
    const over = new Promise<void>((resolve) => error.once("close", resolve));
    options.onConnection({ port, data, error });
    return over;
  });
  if (channels.gone.aborted) return;
  await Promise.race([once(channels.gone, "abort"), Promise.all(connections)]);
  channels.close();
}

/** Serves port-forward over WebSocket until the client goes, or no connection is left. */
export async function forwardOverWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: PortForwardOptions,
): Promise<void> {
  if (2 * options.ports.length > CHANNELS) {
    refuseUpgrade(socket, 400, `port-forward over WebSocket: more than ${CHANNELS >> 1} ports`);
    return;
  }
  const webSocket = await upgradeToWebSocket(request, socket, head, PROTOCOLS);
  if (!webSocket) return;
  if (webSocket.protocol === TUNNEL) {
    const stream = createWebSocketStream(webSocket);
    stream.on("error", () => stream.destroy());
    await forwardOverSpdy(stream, options);
    return;
  }
  await forwardOverChannels(new WebSocketChannels(webSocket, options.clock), options);
}
