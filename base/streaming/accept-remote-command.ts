import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { CommandStreams, RemoteCommand } from "./remote-command.ts";
import { acceptSpdyCommand } from "./remote-command-spdy.ts";
import { refuseUpgrade, wantsUpgrade } from "./upgrade.ts";

/**
 * Takes over an upgrade request for exec or attach: SPDY/3.1 with stream protocols 1 to 5, or
 * WebSocket with `v5.channel.k8s.io`, `v4.channel.k8s.io`, `channel.k8s.io`, their `base64` forms
 * but for 5, or none. Undefined when it could not be: the request is then answered.
 */
export async function acceptRemoteCommand(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: { streams: CommandStreams; clock: Clock },
): Promise<RemoteCommand | undefined> {
  if (wantsUpgrade(request, "spdy/3.1")) return acceptSpdyCommand(request, socket, head, options);
  if (wantsUpgrade(request, "websocket")) {
    // Loaded when first needed: most clusters never see one of the two.
    const { acceptWebSocketCommand } = await import("./remote-command-websocket.ts");
    return acceptWebSocketCommand(request, socket, head, options);
  }
  refuseUpgrade(socket, 400, "an upgrade to SPDY/3.1 or WebSocket is required");
  return undefined;
}
