import type { IncomingMessage } from "node:http";
import { duplexPair, type Readable } from "node:stream";
import { systemClock } from "@raft2kube/std/clock.ts";
import { ResizeFeed } from "@raft2kube/streaming/resize.ts";
import { upgradeToFrames } from "@raft2kube/streaming/websocket.ts";
import { WebSocketChannels } from "@raft2kube/streaming/websocket-channels.ts";
import type { Target } from "../target.ts";

const REQUEST = {
  method: "GET",
  headers: {
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "v5.channel.k8s.io, v4.base64.channel.k8s.io",
  },
} as unknown as IncomingMessage;
const PROTOCOLS = ["v5.channel.k8s.io", "v4.base64.channel.k8s.io"];

/** A client's frame; a mask of zeros leaves the payload as it is. */
function frame(first: number, payload: string): Buffer {
  const bytes = Buffer.from(payload, "latin1");
  return Buffer.concat([Buffer.from([first, 0x80 | bytes.length, 0, 0, 0, 0]), bytes]);
}

/** Channels 0 (input), 4 (sizes) and 255 (ends) of exec; the first byte chooses the protocol. */
export const webSocket: Target = {
  name: "web-socket",
  async corpus() {
    const close = frame(0x88, "\x03\xe8");
    const size = '\x04{"Width":80,"Height":24}';
    return [
      ["\0", frame(0x82, "\0input"), frame(0x82, "\xff\0"), frame(0x82, size), close],
      ["\0", frame(0x02, "\0in"), frame(0x89, "ping"), frame(0x80, "put"), close],
      ["\x01", frame(0x81, "0aW5wdXQ="), frame(0x82, "\xff0"), close],
      ["\0", frame(0x82, "\0a"), frame(0x82, "\0"), frame(0x82, "\0b"), close],
    ].map((parts) => Buffer.concat(parts.map((part) => Buffer.from(part as Buffer))));
  },
  async read(bytes) {
    const [near, far] = duplexPair();
    near.on("error", () => near.destroy());
    near.resume();
    const protocol = PROTOCOLS[(bytes[0] ?? 0) & 1];
    const socketLike = Object.assign(far, { setTimeout: () => far });
    const upgraded = await upgradeToFrames(REQUEST, socketLike, Buffer.alloc(0), protocol);
    const socket = upgraded!.webSocket;
    let refused = false;
    socket.on("error", () => (refused = true));
    const channels = new WebSocketChannels(socket, systemClock({ unref: true }));
    const sizes = new ResizeFeed();
    const input = channels.reader(0);
    const ends = [input, channels.reader(4).on("data", (chunk: Buffer) => sizes.push(chunk))];
    const output = channels.writer(1);
    input.pipe(output);
    output.once("close", () => input.unpipe(output).resume());
    const gone = new Promise((resolve) => channels.gone.addEventListener("abort", resolve));
    near.end(bytes.subarray(1));
    await gone;
    await Promise.all(ends.map(ended));
    return refused ? "refused" : "taken";
  },
};

/** A channel ends with its connection. */
const ended = (reader: Readable) =>
  new Promise<void>((resolve) => (reader.closed ? resolve() : reader.once("close", resolve)));
