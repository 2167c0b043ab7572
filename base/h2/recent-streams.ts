/** Closed streams that a connection still knows: a power of two. */
const KEPT = 128;

/**
 * How the last streams of a connection ended. Frames that arrive late for one that we reset are
 * ignored; for one that ended normally they are an error (RFC 9113, section 5.1).
 */
export class RecentStreams {
  /** Stream ids; those that we reset negative. */
  readonly #ids = new Int32Array(KEPT);
  #count = 0;

  add(id: number, how: "ended" | "reset"): void {
    this.#ids[this.#count++ & (KEPT - 1)] = how === "reset" ? -id : id;
  }

  /** How a stream ended; undefined for one that never was, or is forgotten. */
  look(id: number): "ended" | "reset" | undefined {
    if (this.#ids.includes(-id)) return "reset";
    return this.#ids.includes(id) ? "ended" : undefined;
  }
}
