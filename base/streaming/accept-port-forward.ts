import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { paced } from "./paced.ts";
import type { PortForwardOptions } from "./port-forward.ts";
import { forwardOverSpdy } from "./port-forward-spdy.ts";
import { refuseUpgrade, upgradeToSpdy, wantsUpgrade } from "./upgrade.ts";

const SPDY_PROTOCOL = "portforward.k8s.io";

/**
 * Takes over an upgrade request for port-forward and serves it until the client goes: SPDY/3.1,
 * SPDY inside WebSocket (`SPDY/3.1+portforward.k8s.io`), or WebSocket channels
 * (`v4.channel.k8s.io`).
 */
export async function acceptPortForward(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: PortForwardOptions,
): Promise<void> {
  if (wantsUpgrade(request, "spdy/3.1")) {
    const protocol = upgradeToSpdy(request, socket, head, [SPDY_PROTOCOL, ""]);
    if (protocol !== undefined) await forwardOverSpdy(paced(socket), options);
    return;
  }
  if (wantsUpgrade(request, "websocket")) {
    const { forwardOverWebSocket } = await import("./port-forward-websocket.ts");
    await forwardOverWebSocket(request, socket, head, options);
    return;
  }
  refuseUpgrade(socket, 400, "an upgrade to SPDY/3.1 or WebSocket is required");
}
