const START_BYTES = 4 * 1024;
/** A larger buffer is not kept for the next message. */
const KEPT_BYTES = 1024 * 1024;

/**
 * Writes messages from their end to their start: the content of a length is written before it, so
 * sizes are not computed first and bytes not moved afterwards. One buffer serves all messages;
 * `finish` copies out of it.
 */
export class BackwardWriter {
  #bytes = Buffer.allocUnsafeSlow(START_BYTES);
  /** Where the message starts so far. */
  #at = START_BYTES;

  /** Bytes written so far. */
  get length(): number {
    return this.#bytes.length - this.#at;
  }

  /** The message, after space for `before` bytes; the writer is empty again. */
  finish(before = 0): Buffer {
    const message = Buffer.allocUnsafe(before + this.length);
    this.#bytes.copy(message, before, this.#at);
    this.reset();
    return message;
  }

  /** Throws away what was written. */
  reset(): void {
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(START_BYTES);
    this.#at = this.#bytes.length;
  }

  bytes(value: Uint8Array): void {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
    this.varint(value.length);
  }

  string(text: string): void {
    const length = Buffer.byteLength(text);
    const at = this.#reserve(length);
    this.#bytes.write(text, at, "utf8");
    this.varint(length);
  }

  /** A whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    if (value < 0x80) {
      const at = this.#reserve(1);
      this.#bytes[at] = value;
      return;
    }
    this.#varint64(value >>> 0, Math.floor(value / 0x1_0000_0000));
  }

  /** Any whole number that is exact; negative ones take ten bytes. */
  signed(value: number): void {
    if (value >= 0) this.varint(value);
    else this.varintBig(BigInt(value));
  }

  /** 64 bits, signed or unsigned. */
  varintBig(value: bigint): void {
    if (value >= 0n && value < 0x80n) return this.varint(Number(value));
    const low = Number(BigInt.asUintN(32, value));
    this.#varint64(low, Number(BigInt.asUintN(32, value >> 32n)));
  }

  float(value: number): void {
    const at = this.#reserve(4);
    this.#bytes.writeFloatLE(value, at);
  }

  double(value: number): void {
    const at = this.#reserve(8);
    this.#bytes.writeDoubleLE(value, at);
  }

  fixed32(value: number): void {
    const at = this.#reserve(4);
    this.#bytes.writeUInt32LE(value >>> 0, at);
  }

  fixed64(value: bigint): void {
    const at = this.#reserve(8);
    this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), at);
  }

  #varint64(low: number, high: number): void {
    let at = this.#reserve(varintBytes(low, high));
    while (high > 0 || low > 0x7f) {
      this.#bytes[at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#bytes[at] = low;
  }

  /** Makes room before what is there, maybe in a new buffer; returns its start. */
  #reserve(bytes: number): number {
    if (bytes > this.#at) {
      const { length } = this;
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, length + bytes));
      this.#bytes.copy(larger, larger.length - length, this.#at);
      this.#bytes = larger;
      this.#at = larger.length - length;
    }
    return (this.#at -= bytes);
  }
}

function varintBytes(low: number, high: number): number {
  const bits = high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(low);
  return Math.max(1, Math.ceil(bits / 7));
}
