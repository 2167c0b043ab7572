const SLAB_BYTES = 8 * 1024;
/** Larger ones get memory of their own. */
const SHARED_BYTES_MAX = SLAB_BYTES / 4;

/**
 * Copies bytes that are kept for a while into slabs of its own. Node's pool would put them between
 * short-lived bytes, and keep all of that in memory for their sake.
 */
export class Slabs {
  #slab = Buffer.alloc(0);
  #used = 0;

  /** A copy of `bytes`. */
  copy(bytes: Buffer): Buffer {
    const { length } = bytes;
    if (length > SHARED_BYTES_MAX) {
      const own = Buffer.allocUnsafeSlow(length);
      bytes.copy(own);
      return own;
    }
    const place = this.#take(length);
    bytes.copy(place);
    return place;
  }

  /** The bytes of a string that has one character for each. */
  write(text: string): Buffer {
    const { length } = text;
    if (length > SHARED_BYTES_MAX) return Buffer.from(text, "latin1");
    const place = this.#take(length);
    place.write(text, "latin1");
    return place;
  }

  #take(length: number): Buffer {
    if (this.#used + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += length;
    return this.#slab.subarray(from, this.#used);
  }
}
