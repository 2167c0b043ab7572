import { FLAG, Http2Error } from "./frame.ts";
import { CONTINUATIONS_MAX, HEADER_BLOCK_BYTES_MAX } from "./limits.ts";

/** The header block of a stream, whole. */
export interface HeaderBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  readonly bytes: Buffer;
  /** The stream says that it depends on itself. */
  readonly selfDependent: boolean;
}

const PRIORITY_BYTES = 5;

/** A payload without its padding (RFC 9113, sections 6.1 and 6.2). */
export function unpadded(payload: Buffer, flags: number): Buffer {
  if (!(flags & FLAG.PADDED)) return payload;
  const padding = payload[0];
  if (padding === undefined) throw new Http2Error("FRAME_SIZE_ERROR", "no room for the padding");
  if (padding >= payload.length) throw new Http2Error("PROTOCOL_ERROR", "more padding than frame");
  return payload.subarray(1, payload.length - padding);
}

/** The stream that a PRIORITY payload, or the start of a HEADERS payload, names as parent. */
export const parentStream = (payload: Buffer): number => payload.readUInt32BE(0) & 0x7fffffff;

/** Puts header blocks together that come in several frames, up to a bound. */
export class HeaderBlocks {
  #open: Omit<HeaderBlock, "bytes"> | undefined;
  #parts: Buffer[] = [];
  #bytes = 0;

  /** A block has started, and nothing but its continuation may come. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Takes a HEADERS frame; returns the block when it is complete. */
  begin(flags: number, streamId: number, payload: Buffer): HeaderBlock | undefined {
    let bytes = unpadded(payload, flags);
    let selfDependent = false;
    if (flags & FLAG.PRIORITY) {
      if (bytes.length < PRIORITY_BYTES) {
        throw new Http2Error("FRAME_SIZE_ERROR", "no room for the priority");
      }
      selfDependent = parentStream(bytes) === streamId;
      bytes = bytes.subarray(PRIORITY_BYTES);
    }
    const endStream = (flags & FLAG.END_STREAM) !== 0;
    if (flags & FLAG.END_HEADERS) return { streamId, endStream, bytes, selfDependent };
    this.#open = { streamId, endStream, selfDependent };
    this.#parts = [];
    this.#bytes = 0;
    this.#add(bytes);
    return undefined;
  }

  /** Takes a CONTINUATION frame; returns the block when that was the last. */
  continue(flags: number, streamId: number, payload: Buffer): HeaderBlock | undefined {
    const open = this.#open;
    if (!open || open.streamId !== streamId) {
      throw new Http2Error("PROTOCOL_ERROR", "a continuation of nothing");
    }
    this.#add(payload);
    if (!(flags & FLAG.END_HEADERS)) return undefined;
    this.#open = undefined;
    return { ...open, bytes: Buffer.concat(this.#parts) };
  }

  #add(part: Buffer): void {
    this.#bytes += part.length;
    this.#parts.push(part);
    if (this.#bytes <= HEADER_BLOCK_BYTES_MAX && this.#parts.length <= CONTINUATIONS_MAX) return;
    throw new Http2Error("ENHANCE_YOUR_CALM", "a header block without end");
  }
}
