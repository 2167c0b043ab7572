import { duplexPair } from "node:stream";
import { codeOf } from "@raft2kube/std/errors.ts";
import { StreamingError } from "@raft2kube/streaming/errors.ts";
import { SpdyConnection } from "@raft2kube/streaming/spdy/connection.ts";
import {
  controlFrame,
  dataHeader,
  FLAG_FIN,
  FrameType,
  numbers,
} from "@raft2kube/streaming/spdy/frames.ts";
import { HeaderCodec } from "@raft2kube/streaming/spdy/headers.ts";
import type { SpdyStream } from "@raft2kube/streaming/spdy/stream.ts";
import type { Target } from "../target.ts";

function data(id: number, text: string, fin = false): Buffer {
  return Buffer.concat([dataHeader(id, text.length, fin), Buffer.from(text)]);
}

/** Opens streams as kubectl does, in one zlib stream. */
async function opened(types: readonly string[], flags = 0): Promise<Buffer[]> {
  const codec = new HeaderCodec();
  const frames: Buffer[] = [];
  for (const [index, streamtype] of types.entries()) {
    const block = await codec.pack({ streamtype, port: "80", requestid: "0" });
    const head = Buffer.concat([numbers(2 * index + 1), Buffer.alloc(6)]);
    frames.push(controlFrame(FrameType.synStream, flags, Buffer.concat([head, block])));
  }
  codec.close();
  return frames;
}

/** A connection whose streams are answered with what they send, until the client ends it. */
export const spdy: Target = {
  name: "spdy",
  async corpus() {
    const reset = controlFrame(FrameType.rstStream, 0, numbers(1, 5));
    const settings = controlFrame(FrameType.settings, 0, Buffer.alloc(4));
    const window = controlFrame(FrameType.windowUpdate, 0, numbers(1, 65_536));
    const ping = controlFrame(FrameType.ping, 0, numbers(1));
    const exec = await opened(["error", "stdin", "stdout"]);
    const forward = await opened(["error", "data"]);
    return [
      [...exec, data(3, "input"), data(3, "", true)],
      [...forward, settings, data(3, "request"), window, data(3, "more", true), reset],
      [...(await opened(["error"], FLAG_FIN)), ping, data(1, "late")],
      [...forward, data(1, "", true), data(3, "", true)],
    ].map((frames) => Buffer.concat(frames));
  },
  async read(bytes) {
    const [near, far] = duplexPair();
    near.on("error", () => near.destroy());
    near.resume();
    const streams: SpdyStream[] = [];
    const connection = new SpdyConnection(far, {
      role: "server",
      onStream(stream) {
        streams.push(stream);
        stream.reply();
        stream.pipe(stream);
      },
    });
    near.end(bytes);
    const failure = await connection.closed;
    // Streams end with their connection, and what they have sent is read before.
    await Promise.all(streams.map(ended));
    far.destroy();
    near.destroy();
    if (failure === undefined) return "taken";
    const known = failure instanceof StreamingError || /^(Z|ERR)_/.test(codeOf(failure) ?? "");
    if (known) return "refused";
    throw failure;
  },
};

const ended = (stream: SpdyStream) =>
  new Promise<void>((resolve) => (stream.closed ? resolve() : stream.once("close", resolve)));
