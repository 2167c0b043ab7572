import { duplexPair } from "node:stream";
import { FLAG, FRAME, H2_ERROR, Http2Error, PREFACE } from "@raft2kube/h2/frame.ts";
import { HpackDecoder } from "@raft2kube/h2/hpack/decoder.ts";
import { HpackEncoder } from "@raft2kube/h2/hpack/encoder.ts";
import type { HeaderField } from "@raft2kube/h2/hpack/static-table.ts";
import { Health, HealthCheckResponse_ServingStatus } from "@raft2kube/proto/gen/health.ts";
import { Connections } from "@raft2kube/rpc/connections.ts";
import { routesOf } from "@raft2kube/rpc/routes.ts";
import { serve } from "@raft2kube/rpc/server.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { frameMessage, rawFrame } from "../../../testing/raw-client.ts";
import type { Target } from "../target.ts";

const HEAD: readonly HeaderField[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/grpc.health.v1.Health/Check"],
  [":authority", "localhost"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
  ["grpc-timeout", "10S"],
];
const EMPTY = Buffer.alloc(0);
const MESSAGE = frameMessage(EMPTY);

/** Frames after the preface: requests whole, in parts, reset, and what goes around them. */
function conversations(): Buffer[][] {
  const block = new HpackEncoder().encode(HEAD);
  const end = FLAG.END_HEADERS | FLAG.END_STREAM;
  const settings = rawFrame(FRAME.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 255, 255]));
  const acknowledged = rawFrame(FRAME.SETTINGS, FLAG.ACK, 0, EMPTY);
  const head = rawFrame(FRAME.HEADERS, FLAG.END_HEADERS, 1, block);
  const body = rawFrame(FRAME.DATA, FLAG.END_STREAM, 1, MESSAGE);
  const window = rawFrame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.from([0, 0, 255, 255]));
  const half = block.length >> 1;
  const padded = Buffer.concat([Buffer.from([2]), MESSAGE, Buffer.alloc(2)]);
  return [
    [settings, head, acknowledged, body, window],
    [
      settings,
      rawFrame(FRAME.HEADERS, 0, 1, block.subarray(0, half)),
      rawFrame(FRAME.CONTINUATION, FLAG.END_HEADERS, 1, block.subarray(half)),
      rawFrame(FRAME.DATA, FLAG.PADDED, 1, padded),
      rawFrame(FRAME.RST_STREAM, 0, 1, Buffer.from([0, 0, 0, 8])),
    ],
    [
      settings,
      rawFrame(FRAME.PING, 0, 0, Buffer.alloc(8, 1)),
      rawFrame(FRAME.HEADERS, end | FLAG.PRIORITY, 1, Buffer.concat([Buffer.alloc(5), block])),
      rawFrame(FRAME.PRIORITY, 0, 3, Buffer.from([0, 0, 0, 1, 9])),
      rawFrame(FRAME.GOAWAY, 0, 0, Buffer.alloc(8)),
    ],
  ];
}

/** Bytes of a client of the store; its server answers a health check. */
export const h2: Target = {
  name: "h2",
  corpus: async () => conversations().map((frames) => Buffer.concat(frames)),
  async read(bytes) {
    const connections = new Connections({
      clock: new ManualClock(),
      routes: routesOf([
        serve(Health, { check: () => ({ status: HealthCheckResponse_ServingStatus.SERVING }) }),
      ]),
      messageBytes_max: 1 << 20,
      streams_max: 100,
      http: undefined,
    });
    const [near, far] = duplexPair();
    const answers: Buffer[] = [];
    near.on("error", () => near.destroy());
    near.on("data", (chunk: Buffer) => answers.push(chunk));
    connections.add(far);
    const over = new Promise<void>((resolve) => far.once("close", resolve));
    near.end(Buffer.concat([PREFACE, bytes]));
    await over;
    near.destroy();
    // A turn of the loop, as between real connections: memory is given back there.
    await new Promise(setImmediate);
    return refuses(Buffer.concat(answers)) ? "refused" : "taken";
  },
};

/** Whether a server's frames have a GOAWAY or RST_STREAM with an error. */
function refuses(frames: Buffer): boolean {
  for (let at = 0; at + 9 <= frames.length; at += 9 + frames.readUIntBE(at, 3)) {
    const type = frames[at + 3];
    const codeAt = type === FRAME.GOAWAY ? at + 13 : type === FRAME.RST_STREAM ? at + 9 : undefined;
    if (codeAt === undefined || codeAt + 4 > frames.length) continue;
    if (frames.readUInt32BE(codeAt) !== H2_ERROR.NO_ERROR) return true;
  }
  return false;
}

/** Header blocks of one connection: each starts with its length, one byte. */
export const hpack: Target = {
  name: "hpack",
  async corpus() {
    const encoder = new HpackEncoder();
    const own: HeaderField[] = [["x-own", "a value of its own"]];
    const blocks = [
      encoder.constant(HEAD),
      encoder.constant([...HEAD, ...own]),
      encoder.constant(own),
      encoder.encode([["x-once", "1"]]),
      Buffer.from([0x3f, 0xe1, 0x1f]),
      // RFC 7541, C.4.1: a Huffman string.
      Buffer.from("828684418cf1e3c2e5f23a6ba0ab90f4ff", "hex"),
    ];
    const framed = blocks.map((block) => Buffer.concat([Buffer.from([block.length]), block]));
    return [Buffer.concat(framed), Buffer.concat(framed.slice(2)), ...framed];
  },
  async read(bytes) {
    const decoder = new HpackDecoder((fields) => fields);
    try {
      for (let at = 0; at < bytes.length; at += 1 + bytes[at]!) {
        const fields = decoder.decode(bytes.subarray(at + 1, at + 1 + bytes[at]!));
        const again =
          fields && new HpackDecoder((list) => list).decode(new HpackEncoder().encode(fields));
        if (JSON.stringify(again) !== JSON.stringify(fields)) throw new Error("another list");
      }
      return "taken";
    } catch (thrown) {
      if (thrown instanceof Http2Error) return "refused";
      throw thrown;
    }
  },
};
