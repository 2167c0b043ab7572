import type { Readable } from "node:stream";
import { CHUNK_BYTES, PIECE_OVERHEAD_BYTES, STREAM_BUFFER_BYTES } from "./limits.ts";

/** Bytes that one connection has received and its streams' readers have not taken. */
export class Unread {
  readonly #onRead: () => void;
  #bytes = 0;

  /** `onRead` is called whenever a reader has taken something. */
  constructor(onRead: () => void) {
    this.#onRead = onRead;
  }

  /** Whether the connection must wait before it receives more. */
  get full(): boolean {
    return this.#bytes >= STREAM_BUFFER_BYTES;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
    this.#onRead();
  }
}

const costOf = (pieces: readonly Buffer[]): number =>
  pieces.reduce((sum, { length }) => sum + length + PIECE_OVERHEAD_BYTES, 0);

/**
 * Keeps the data that one stream has received until its reader asks for it. Each piece counts with
 * its cost in memory, so that a megabyte of single bytes is not kept as a million buffers. Data
 * after the end is dropped: a peer that breaks the protocol cannot push into a stream that is over.
 */
export class Inflow {
  readonly #to: Readable;
  readonly #unread: Unread;
  #pieces: Buffer[] = [];
  #wanted = false;
  #over = false;

  constructor(to: Readable, unread: Unread) {
    this.#to = to;
    this.#unread = unread;
  }

  push(data: Buffer): void {
    if (this.#over || data.length === 0) return;
    const piece = compact(data);
    this.#pieces.push(piece);
    this.#unread.add(costOf([piece]));
    this.#flush();
  }

  /** No more will come; what is there is still read. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#flush();
  }

  /** Implements the stream's `read`. */
  wanted(): void {
    this.#wanted = true;
    this.#flush();
  }

  /** Implements the stream's `destroy`. */
  drop(): void {
    this.#over = true;
    this.#wanted = false;
    this.#take(this.#pieces.length);
  }

  #flush(): void {
    if (!this.#wanted) return;
    if (this.#pieces.length === 0) {
      if (this.#over) this.#to.push(null);
      return;
    }
    this.#wanted = false;
    let bytes = 0;
    const end = this.#pieces.findIndex(({ length }) => (bytes += length) >= CHUNK_BYTES);
    const pieces = this.#take(end < 0 ? this.#pieces.length : end + 1);
    this.#to.push(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
  }

  #take(count: number): Buffer[] {
    const taken = this.#pieces.splice(0, count);
    if (taken.length > 0) this.#unread.remove(costOf(taken));
    return taken;
  }
}

/** The same bytes, without a much larger buffer that they were received in. */
function compact(data: Buffer): Buffer {
  if (data.buffer.byteLength <= 2 * data.length) return data;
  const own = Buffer.allocUnsafeSlow(data.length);
  data.copy(own);
  return own;
}
