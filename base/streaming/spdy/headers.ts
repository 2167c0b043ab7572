import { constants, createDeflate, createInflate, type Deflate, type Inflate } from "node:zlib";
import { StreamingError } from "../errors.ts";
import { HEADER_BYTES, HEADERS } from "../limits.ts";
import { SPDY_DICTIONARY } from "./dictionary.ts";

/** Names in lower case; several values of one name are joined by a zero byte on the wire. */
export type SpdyHeaders = Record<string, string>;

function encodeBlock(headers: SpdyHeaders): Buffer {
  const entries = Object.entries(headers);
  const parts: Buffer[] = [];
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    parts.push(bytes);
  };
  number(entries.length);
  for (const text of entries.flat()) {
    const bytes = Buffer.from(text, "utf8");
    number(bytes.length);
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}

function decodeBlock(block: Buffer): SpdyHeaders {
  let offset = 0;
  const take = (length: number): Buffer => {
    if (length > block.length - offset) {
      throw new StreamingError("a SPDY header block is cut short");
    }
    offset += length;
    return block.subarray(offset - length, offset);
  };
  const text = () => take(take(4).readUInt32BE()).toString("utf8");
  const headers: SpdyHeaders = {};
  const count = take(4).readUInt32BE();
  if (count > HEADERS) throw new StreamingError(`a SPDY header block of ${count} headers`);
  for (let left = count; left > 0; left--) {
    const name = text().toLowerCase();
    headers[name] = text();
  }
  return headers;
}

/**
 * Packs and unpacks header blocks. All blocks of a direction are one zlib stream, so they must be
 * given in the order that they are sent or came.
 */
export class HeaderCodec {
  readonly #deflate: Deflate;
  readonly #inflate: Inflate;

  constructor() {
    const shared = { dictionary: SPDY_DICTIONARY };
    this.#deflate = createDeflate({ ...shared, flush: constants.Z_SYNC_FLUSH });
    this.#inflate = createInflate({ ...shared, finishFlush: constants.Z_SYNC_FLUSH });
    // A block's own error is its caller's (`through`); none may come later without a listener.
    this.#deflate.on("error", () => this.#deflate.destroy());
    this.#inflate.on("error", () => this.#inflate.destroy());
  }

  pack(headers: SpdyHeaders): Promise<Buffer> {
    return through(this.#deflate, encodeBlock(headers));
  }

  async unpack(block: Buffer): Promise<SpdyHeaders> {
    return decodeBlock(await through(this.#inflate, block));
  }

  close(): void {
    this.#deflate.close();
    this.#inflate.close();
  }
}

/** Passes a piece through a zlib stream. Rejects if the stream fails or is closed. */
function through(stream: Deflate | Inflate, piece: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const collect = (chunk: Buffer) => {
      size += chunk.length;
      if (size > HEADER_BYTES) stream.destroy(new StreamingError("a SPDY header block is too big"));
      else chunks.push(chunk);
    };
    const settle = (error?: Error | null) => {
      stream.off("data", collect).off("error", settle).off("close", closed);
      if (error) reject(error);
      else resolve(Buffer.concat(chunks));
    };
    const closed = () => settle(stream.errored ?? new StreamingError("the connection is closed"));
    if (stream.destroyed) return closed();
    stream.on("data", collect).on("error", settle).on("close", closed);
    stream.write(piece, (error) => settle(error ?? stream.errored));
  });
}
