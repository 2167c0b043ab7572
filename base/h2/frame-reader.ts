import { FRAME_HEADER_BYTES, Http2Error, PREFACE } from "./frame.ts";
import { FRAME_BYTES_MAX } from "./limits.ts";

export type OnFrame = (type: number, flags: number, streamId: number, payload: Buffer) => void;

/**
 * Cuts what a socket delivers into frames. Payloads are views of the delivered bytes; only a frame
 * that came in pieces is put together in a buffer of its own, which is never larger than a frame
 * may be. Throws Http2Error for invalid HTTP/2.
 */
export class FrameReader {
  readonly #onFrame: OnFrame;
  #partial: Buffer | undefined;
  #filled = 0;
  #prefaced: boolean;

  /** `prefaced` is false where the peer sends the preface first. */
  constructor(onFrame: OnFrame, prefaced = false) {
    this.#onFrame = onFrame;
    this.#prefaced = prefaced;
  }

  push(chunk: Buffer): void {
    let at = 0;
    if (!this.#prefaced || this.#partial) {
      at = this.#complete(chunk);
      if (this.#partial) return;
    }
    while (at < chunk.length) {
      const size = this.#sizeAt(chunk, at);
      if (size === undefined || at + size > chunk.length) return this.#keep(chunk, at, size);
      this.#emit(chunk, at, size);
      at += size;
    }
  }

  /** Bytes of the frame at `at`; undefined when not even its header is there. */
  #sizeAt(bytes: Buffer, at: number, end = bytes.length): number | undefined {
    if (!this.#prefaced) return PREFACE.length;
    if (end - at < FRAME_HEADER_BYTES) return undefined;
    const length = bytes.readUIntBE(at, 3);
    if (length <= FRAME_BYTES_MAX) return FRAME_HEADER_BYTES + length;
    throw new Http2Error("FRAME_SIZE_ERROR", `a frame of ${length} bytes`);
  }

  #emit(bytes: Buffer, at: number, size: number): void {
    if (!this.#prefaced) {
      const found = bytes.subarray(at, at + size);
      if (!found.equals(PREFACE)) throw new Http2Error("PROTOCOL_ERROR", "no HTTP/2 preface");
      this.#prefaced = true;
      return;
    }
    const streamId = bytes.readUInt32BE(at + 5) & 0x7fffffff;
    const payload = bytes.subarray(at + FRAME_HEADER_BYTES, at + size);
    this.#onFrame(bytes[at + 3]!, bytes[at + 4]!, streamId, payload);
  }

  /** Keeps the rest of a chunk until more arrives. */
  #keep(chunk: Buffer, at: number, size = FRAME_HEADER_BYTES): void {
    this.#partial = Buffer.allocUnsafe(size);
    this.#filled = chunk.copy(this.#partial, 0, at);
  }

  /** Completes the frame started earlier, or the preface; returns how far it has used the chunk. */
  #complete(chunk: Buffer): number {
    let used = 0;
    this.#partial ??= Buffer.allocUnsafe(PREFACE.length);
    for (;;) {
      const partial = this.#partial;
      const copied = chunk.copy(partial, this.#filled, used);
      used += copied;
      this.#filled += copied;
      if (this.#filled < partial.length) return used;
      const size = this.#sizeAt(partial, 0, this.#filled)!;
      if (size === partial.length) {
        this.#partial = undefined;
        this.#filled = 0;
        this.#emit(partial, 0, size);
        return used;
      }
      this.#partial = Buffer.allocUnsafe(size);
      partial.copy(this.#partial);
    }
  }
}
