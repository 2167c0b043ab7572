import { once } from "node:events";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { FLAG, FRAME, PREFACE, writeFrameHeader } from "@raft2kube/h2/frame.ts";
import { HpackDecoder } from "@raft2kube/h2/hpack/decoder.ts";
import { HpackEncoder } from "@raft2kube/h2/hpack/encoder.ts";
import type { HeaderField } from "@raft2kube/h2/hpack/static-table.ts";
import { framed, MESSAGE_HEADER_BYTES } from "@raft2kube/rpc/grpc-message.ts";

/** A frame that the server sent. */
export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function rawFrame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  const body = writeFrameHeader(bytes, 0, { length: payload.length, type, flags, streamId });
  payload.copy(bytes, body);
  return bytes;
}

/** A gRPC message as it stands in a body. */
export function frameMessage(message: Buffer): Buffer {
  return framed(Buffer.concat([Buffer.alloc(MESSAGE_HEADER_BYTES), message]));
}

/** Speaks HTTP/2 frame by frame, right or wrong as a test wants. */
export class RawClient {
  readonly socket: Duplex;
  readonly frames: SeenFrame[] = [];
  readonly #encoder = new HpackEncoder();
  readonly #decoder = new HpackDecoder((fields) => fields ?? []);
  readonly #fieldsOf = new Map<SeenFrame, Record<string, string>>();
  #rest: Buffer = Buffer.alloc(0);
  closed = false;

  /** Starts to speak over a socket that is open. */
  constructor(socket: Duplex) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    // A server that throws us out may do so while we still write.
    socket.on("error", () => (this.closed = true));
    socket.on("close", () => (this.closed = true));
    socket.write(PREFACE);
    this.send(FRAME.SETTINGS, 0, 0);
  }

  static async connect(path: string): Promise<RawClient> {
    const socket = connect(path);
    await once(socket, "connect");
    return new RawClient(socket);
  }

  send(type: number, flags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): void {
    this.socket.write(rawFrame(type, flags, streamId, payload));
  }

  /** The start of a gRPC call. */
  open(streamId: number, path: string, more: readonly HeaderField[] = []): void {
    const fields: HeaderField[] = [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", path],
      [":authority", "test"],
      ["content-type", "application/grpc"],
      ["te", "trailers"],
      ...more,
    ];
    this.send(FRAME.HEADERS, FLAG.END_HEADERS, streamId, this.#encoder.encode(fields));
  }

  /** A whole unary call; `message` as it stands in the body, its header included. */
  call(streamId: number, path: string, body: Buffer, more: readonly HeaderField[] = []): void {
    this.open(streamId, path, more);
    this.send(FRAME.DATA, FLAG.END_STREAM, streamId, body);
  }

  /** All header fields that the server sent on a stream. */
  fields(streamId: number): Record<string, string> {
    const blocks = this.frames.filter(({ type }) => type === FRAME.HEADERS);
    const mine = blocks.filter((frame) => frame.streamId === streamId);
    return Object.assign({}, ...mine.map((frame) => this.#fieldsOf.get(frame)));
  }

  /** The error code of a frame that has come, or undefined. */
  errorOf(type: typeof FRAME.GOAWAY | typeof FRAME.RST_STREAM): number | undefined {
    const frame = this.frames.find((seen) => seen.type === type);
    return frame?.payload.readUInt32BE(type === FRAME.GOAWAY ? 4 : 0);
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 9) {
      const size = 9 + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < size) return;
      const frame = {
        type: this.#rest[3]!,
        flags: this.#rest[4]!,
        streamId: this.#rest.readUInt32BE(5),
        payload: Buffer.from(this.#rest.subarray(9, size)),
      };
      this.#rest = this.#rest.subarray(size);
      if (frame.type === FRAME.HEADERS) {
        this.#fieldsOf.set(frame, Object.fromEntries(this.#decoder.decode(frame.payload)));
      }
      this.frames.push(frame);
    }
  }
}
