import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { finished } from "node:stream/promises";
import type { Clock } from "@raft2kube/std/clock.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import { FLUSH_TIMEOUT_MS } from "./limits.ts";
import type { CommandStreams, RemoteCommand } from "./remote-command.ts";
import { ResizeFeed } from "./resize.ts";
import { outcomeStatus, outcomeText } from "./status.ts";
import { upgradeToWebSocket } from "./websocket.ts";
import { WebSocketChannels } from "./websocket-channels.ts";

/** Protocols that end with a Status; 5 can close standard input alone. */
const WITH_STATUS = ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"];
/** Protocols before 4, and clients without one, get text, and only after a failure. */
const PROTOCOLS = [...WITH_STATUS, "channel.k8s.io", "base64.channel.k8s.io"];
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/**
 * `acceptRemoteCommand` over WebSocket: a channel each for input, output, errors, status, sizes.
 */
export async function acceptWebSocketCommand(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: { streams: CommandStreams; clock: Clock },
): Promise<RemoteCommand | undefined> {
  const webSocket = await upgradeToWebSocket(request, socket, head, PROTOCOLS);
  if (!webSocket) return undefined;
  const channels = new WebSocketChannels(webSocket, options.clock);
  const { streams, clock } = options;
  const stdout = streams.stdout ? channels.writer(CHANNEL.stdout) : undefined;
  const stderr = streams.stderr && !streams.tty ? channels.writer(CHANNEL.stderr) : undefined;
  // As upstream: an empty message on the lowest output says that the connection stands.
  channels.send(stdout ? CHANNEL.stdout : stderr ? CHANNEL.stderr : CHANNEL.error, Buffer.alloc(0));
  const resizes = new ResizeFeed();
  if (streams.tty) {
    channels.reader(CHANNEL.resize).on("data", (chunk: Buffer) => resizes.push(chunk));
  }
  return {
    stdin: streams.stdin ? channels.reader(CHANNEL.stdin) : undefined,
    stdout,
    stderr,
    gone: channels.gone,
    onResize: (listener) => resizes.onResize(listener),
    async finish(outcome) {
      for (const stream of [stdout, stderr]) {
        if (!stream || stream.destroyed) continue;
        stream.end();
        // The client may have disconnected: there is no one left to report to.
        await finished(stream).catch(() => undefined);
      }
      if (channels.gone.aborted) return;
      const hasStatus = WITH_STATUS.includes(webSocket.protocol);
      const words = hasStatus ? outcomeStatus(outcome) : outcomeText(outcome);
      if (words !== "") channels.send(CHANNEL.error, Buffer.from(words));
      const closed = once(channels.gone, "abort");
      channels.close();
      await resultWithin(clock, closed, FLUSH_TIMEOUT_MS);
      webSocket.terminate();
    },
  };
}
