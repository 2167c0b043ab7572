import { StreamingError } from "../errors.ts";
import { FRAME_BYTES } from "../limits.ts";

/** Control frame types (SPDY draft 3.1, section 2.6). */
export const FrameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** The last frame of a stream in this direction. */
export const FLAG_FIN = 1;

const VERSION = 3;
const HEADER_LENGTH = 8;

export type Frame =
  | { kind: "data"; streamId: number; fin: boolean; data: Buffer }
  | { kind: "control"; type: number; flags: number; payload: Buffer };

/** A data frame's header; its payload follows. */
export function dataHeader(streamId: number, length: number, fin: boolean): Buffer {
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeUInt32BE(streamId & 0x7fffffff);
  header.writeUInt32BE(length, 4);
  header[4] = fin ? FLAG_FIN : 0;
  return header;
}

/** A whole control frame. */
export function controlFrame(type: number, flags: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeUInt16BE(0x8000 | VERSION);
  header.writeUInt16BE(type, 2);
  header.writeUInt32BE(payload.length, 4);
  header[4] = flags;
  return Buffer.concat([header, payload]);
}

/** Numbers of 32 bits: one for PING, two for RST_STREAM, GOAWAY, WINDOW_UPDATE. */
export function numbers(...values: number[]): Buffer {
  const payload = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) payload.writeUInt32BE(value >>> 0, 4 * index);
  return payload;
}

/** Pieces of an incomplete frame that are kept apart; more are joined. */
const PIECES = 256;

/** Cuts frames out of received bytes. Throws StreamingError on a frame over FRAME_BYTES. */
export class FrameParser {
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** How many bytes the next frame, or its header, needs. */
  #needed = HEADER_LENGTH;

  /** The frames that are whole now. */
  *push(chunk: Buffer): Generator<Frame> {
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
    if (this.#pieces.length > PIECES) this.#join();
    for (;;) {
      const frame = this.#next();
      if (!frame) return;
      yield frame;
    }
  }

  #join(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0]!;
  }

  #next(): Frame | undefined {
    if (this.#bytes < this.#needed) return undefined;
    const bytes = this.#join();
    const length = bytes.readUIntBE(5, 3);
    if (length > FRAME_BYTES) throw new StreamingError(`a SPDY frame of ${length} bytes`);
    const end = HEADER_LENGTH + length;
    this.#needed = end;
    if (this.#bytes < end) return undefined;
    this.#pieces = [bytes.subarray(end)];
    this.#bytes -= end;
    this.#needed = HEADER_LENGTH;
    const body = bytes.subarray(HEADER_LENGTH, end);
    const flags = bytes[4]!;
    if ((bytes[0]! & 0x80) === 0) {
      const streamId = bytes.readUInt32BE(0);
      return { kind: "data", streamId, fin: (flags & FLAG_FIN) !== 0, data: body };
    }
    const version = bytes.readUInt16BE(0) & 0x7fff;
    if (version !== VERSION) throw new StreamingError(`SPDY version ${version}, only 3 is spoken`);
    return { kind: "control", type: bytes.readUInt16BE(2), flags, payload: body };
  }
}
