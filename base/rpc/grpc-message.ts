import { RpcError, Status } from "./error.ts";

/** Compressed u8, length u32 before each message (grpc/doc/PROTOCOL-HTTP2.md). */
export const MESSAGE_HEADER_BYTES = 5;

/**
 * A message as it stands in DATA frames, from one with room before it; `behind` more bytes of it
 * follow.
 */
export function framed(message: Buffer, behind = 0): Buffer {
  message[0] = 0;
  message.writeUInt32BE(message.length - MESSAGE_HEADER_BYTES + behind, 1);
  return message;
}

/** The message, if `bytes` are exactly one that is not compressed: the usual case. */
export function soleMessage(bytes: Buffer, bytes_max: number): Buffer | undefined {
  if (bytes.length < MESSAGE_HEADER_BYTES || bytes[0] !== 0) return undefined;
  const length = bytes.readUInt32BE(1);
  if (length !== bytes.length - MESSAGE_HEADER_BYTES || length > bytes_max) return undefined;
  return bytes.subarray(MESSAGE_HEADER_BYTES);
}

/**
 * Cuts the body of a request into messages. A message that is announced too large is refused
 * before it arrives. Errors are gRPC-Go's, in its words.
 */
export class MessageReader {
  readonly #bytes_max: number;
  readonly #encoding: string | undefined;
  readonly #parts: Buffer[] = [];
  #held = 0;

  /** `encoding` is the request's `grpc-encoding`. */
  constructor(bytes_max: number, encoding: string | undefined) {
    this.#bytes_max = bytes_max;
    this.#encoding = encoding;
  }

  /** Bytes of a message that is not complete. */
  get heldBytes(): number {
    return this.#held;
  }

  /** Takes a part of the body; the messages that are complete now. Throws RpcError. */
  push(bytes: Buffer): Buffer[] {
    const messages: Buffer[] = [];
    this.#parts.push(bytes);
    this.#held += bytes.length;
    for (;;) {
      const size = this.#nextSize();
      if (size === undefined || this.#held < size) return messages;
      const all = this.#take();
      messages.push(all.subarray(MESSAGE_HEADER_BYTES, size));
      if (all.length === size) return messages;
      this.#parts.push(all.subarray(size));
      this.#held = all.length - size;
    }
  }

  /** Bytes of the next message with its header, once that is there. */
  #nextSize(): number | undefined {
    if (this.#held < MESSAGE_HEADER_BYTES) return undefined;
    if (this.#parts[0]!.length < MESSAGE_HEADER_BYTES) {
      const held = this.#held;
      this.#parts.push(this.#take());
      this.#held = held;
    }
    const first = this.#parts[0]!;
    if (first[0] !== 0) throw this.#compressed(first[0]!);
    const length = first.readUInt32BE(1);
    if (length <= this.#bytes_max) return MESSAGE_HEADER_BYTES + length;
    const text = `grpc: received message larger than max (${length} vs. ${this.#bytes_max})`;
    throw new RpcError(Status.RESOURCE_EXHAUSTED, text);
  }

  #take(): Buffer {
    const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#parts.length = 0;
    this.#held = 0;
    return all;
  }

  #compressed(flag: number): RpcError {
    if (flag !== 1) {
      return new RpcError(Status.INTERNAL, `grpc: received unexpected payload format ${flag}`);
    }
    if (this.#encoding === undefined || this.#encoding === "identity") {
      const text = "grpc: compressed flag set with identity or empty encoding";
      return new RpcError(Status.INTERNAL, text);
    }
    const text = `grpc: Decompressor is not installed for grpc-encoding "${this.#encoding}"`;
    return new RpcError(Status.UNIMPLEMENTED, text);
  }
}
