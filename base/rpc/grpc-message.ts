import { GrowingBytes } from "@raft2kube/std/growing-bytes.ts";
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
  /** The beginning of a message whose end has not come. */
  readonly #held = new GrowingBytes();

  /** `encoding` is the request's `grpc-encoding`. */
  constructor(bytes_max: number, encoding: string | undefined) {
    this.#bytes_max = bytes_max;
    this.#encoding = encoding;
  }

  /** Memory of a message that is not complete, in bytes; 0 between messages. */
  get heldBytes(): number {
    return this.#held.capacity;
  }

  /** Takes a part of the body; the messages that are complete now. Throws RpcError. */
  push(bytes: Buffer): Buffer[] {
    const messages: Buffer[] = [];
    let at = this.#held.length > 0 ? this.#complete(bytes, messages) : 0;
    while (at < bytes.length) {
      const size = this.#sizeAt(bytes, at);
      if (size === undefined || at + size > bytes.length) {
        this.#held.append(bytes.subarray(at), size);
        break;
      }
      messages.push(bytes.subarray(at + MESSAGE_HEADER_BYTES, at + size));
      at += size;
    }
    return messages;
  }

  /** Completes the message started earlier, its header first; returns how many bytes that took. */
  #complete(bytes: Buffer, messages: Buffer[]): number {
    let at = 0;
    for (;;) {
      const size = this.#sizeAt(this.#held.bytes, 0);
      if (size === this.#held.length) {
        messages.push(this.#held.take().subarray(MESSAGE_HEADER_BYTES));
        return at;
      }
      if (at === bytes.length) return at;
      const missing = (size ?? MESSAGE_HEADER_BYTES) - this.#held.length;
      const part = bytes.subarray(at, at + missing);
      this.#held.append(part, size);
      at += part.length;
    }
  }

  /** Bytes of the message at `at` with its header, once that is there. */
  #sizeAt(bytes: Buffer, at: number): number | undefined {
    if (bytes.length - at < MESSAGE_HEADER_BYTES) return undefined;
    if (bytes[at] !== 0) throw this.#compressed(bytes[at]!);
    const length = bytes.readUInt32BE(at + 1);
    if (length <= this.#bytes_max) return MESSAGE_HEADER_BYTES + length;
    const text = `grpc: received message larger than max (${length} vs. ${this.#bytes_max})`;
    throw new RpcError(Status.RESOURCE_EXHAUSTED, text);
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
