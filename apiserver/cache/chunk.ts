import { ownBytes } from "@raft2kube/std/bytes.ts";

/** Bytes that all watchers of a channel get, the same object for each. */
export class Chunk {
  readonly events: number;
  /** Bytes of the objects that its events replaced. */
  readonly replaced: number;
  #bytes: Buffer;

  constructor(bytes: Buffer, events: number, replaced = 0) {
    this.#bytes = bytes;
    this.events = events;
    this.replaced = replaced;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /**
   * Copies the bytes into memory of their own, as they have to wait; until then they lie in a
   * buffer of short-lived ones.
   */
  keep(): void {
    const { buffer, length } = this.#bytes;
    if (buffer.byteLength > length) this.#bytes = ownBytes(this.#bytes);
  }
}
