const CAPACITY_MIN = 64;
const NOTHING = Buffer.alloc(0);

/**
 * Bytes that arrive in parts, copied together in a buffer that doubles: the work is linear in the
 * bytes, and the memory at most about twice theirs, however small the parts are. A list of parts
 * costs a hundred bytes for each, and retains the buffer that each was cut from.
 */
export class GrowingBytes {
  #buffer: Buffer = NOTHING;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Bytes of memory held. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** The bytes so far: a view that the next `append` may outdate. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** `whole` is how many bytes there will be in all, where that is known. */
  append(part: Uint8Array, whole = Infinity): void {
    const needed = this.#length + part.length;
    if (needed > this.#buffer.length) {
      const doubled = Math.max(CAPACITY_MIN, 2 * this.#buffer.length);
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(doubled, whole)));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    this.#buffer.set(part, this.#length);
    this.#length = needed;
  }

  /** Returns what has arrived, which is its caller's from then on, and starts again. */
  take(): Buffer {
    const { bytes } = this;
    this.#buffer = NOTHING;
    this.#length = 0;
    return bytes;
  }
}
