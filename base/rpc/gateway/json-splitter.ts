import { JsonError } from "@raft2kube/proto/json.ts";
import { GrowingBytes } from "@raft2kube/std/growing-bytes.ts";

const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = Buffer.from("{}[]");
const [QUOTE, ESCAPE] = Buffer.from('"\\');
const SPACES: readonly number[] = [...Buffer.from(" \n\r\t")];

/**
 * Divides a stream of JSON objects, one after the other, into the bytes of each. Each byte is
 * examined a single time: those that structure JSON are ASCII, which no other character of UTF-8
 * contains.
 */
export class JsonSplitter {
  readonly #bytes_max: number;
  readonly #held = new GrowingBytes();
  #depth = 0;
  #inString = false;
  #escaped = false;

  /** An object with more bytes is refused. */
  constructor(bytes_max: number) {
    this.#bytes_max = bytes_max;
  }

  /** Memory of an object that is not complete, in bytes; 0 between objects. */
  get heldBytes(): number {
    return this.#held.capacity;
  }

  /** The objects that are complete with this chunk. Throws JsonError. */
  *push(chunk: Buffer): Generator<Buffer> {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (this.#depth === 0) {
        if (SPACES.includes(byte)) continue;
        if (byte !== OPEN_OBJECT) throw new JsonError("expected a JSON object");
        start = at;
      }
      if (!this.#step(byte)) continue;
      this.#hold(chunk.subarray(start, at + 1));
      yield this.#held.take();
    }
    if (this.#depth > 0) this.#hold(chunk.subarray(start));
  }

  /** The stream has ended. Throws JsonError when an object is incomplete. */
  end(): void {
    if (this.#depth > 0) throw new JsonError("unexpected end of JSON");
  }

  #hold(bytes: Buffer): void {
    if (this.#held.length + bytes.length > this.#bytes_max) {
      throw new JsonError(`a JSON object of more than ${this.#bytes_max} bytes`);
    }
    this.#held.append(bytes);
  }

  /** Whether this byte completes an object. */
  #step(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === ESCAPE) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return false;
    }
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) this.#depth++;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) return --this.#depth === 0;
    return false;
  }
}
