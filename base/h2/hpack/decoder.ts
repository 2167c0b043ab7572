import { Http2Error } from "../frame.ts";
import { HEADER_LIST_BYTES_MAX, KNOWN_BLOCKS_MAX } from "../limits.ts";
import { DEFAULT_HEADER_TABLE_BYTES } from "../settings.ts";
import { DynamicTable, fieldSize } from "./dynamic-table.ts";
import { decodeHuffman } from "./huffman.ts";
import type { HeaderField } from "./static-table.ts";

/** A number after a prefix never needs more bits than this: larger ones are an attack. */
const INTEGER_SHIFT_MAX = 21;

/**
 * Decodes the header blocks of one connection (RFC 7541). A client sends the same few blocks
 * again and again, so what `interpret` makes of the fields is kept by the block's bytes for as
 * long as the table stays as it is. `interpret` gets no fields when the list is too large.
 */
export class HpackDecoder<T> {
  readonly #interpret: (fields: readonly HeaderField[] | undefined) => T;
  readonly #table = new DynamicTable(DEFAULT_HEADER_TABLE_BYTES);
  readonly #known = new Map<string, T>();
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(interpret: (fields: readonly HeaderField[] | undefined) => T) {
    this.#interpret = interpret;
  }

  /** Throws Http2Error (COMPRESSION_ERROR): the connection cannot continue. */
  decode(block: Buffer): T {
    const bytes = block.toString("latin1");
    const known = this.#known.get(bytes);
    if (known !== undefined) return known;
    this.#block = block;
    this.#at = 0;
    const { fields, changed } = this.#fields();
    const result = this.#interpret(fields);
    if (changed || this.#known.size >= KNOWN_BLOCKS_MAX) this.#known.clear();
    // A block that changes the table means something else the next time.
    if (!changed) this.#known.set(bytes, result);
    return result;
  }

  #fields(): { fields: HeaderField[] | undefined; changed: boolean } {
    const fields: HeaderField[] = [];
    let bytes = 0;
    let changed = false;
    while (this.#at < this.#block.length) {
      const first = this.#block[this.#at]!;
      let field: HeaderField;
      if (first & 0x80) field = this.#table.get(this.#integer(7));
      else if (first & 0x40) {
        field = this.#literal(6);
        this.#table.add(field);
        changed = true;
      } else if (first & 0x20) {
        this.#resize(bytes);
        changed = true;
        continue;
      } else field = this.#literal(4);
      bytes += fieldSize(field);
      // The table must follow to the end, but a list past the limit is not kept.
      if (bytes <= HEADER_LIST_BYTES_MAX) fields.push(field);
    }
    return { fields: bytes <= HEADER_LIST_BYTES_MAX ? fields : undefined, changed };
  }

  #resize(bytesBefore: number): void {
    const bytes_max = this.#integer(5);
    if (bytesBefore > 0 || bytes_max > DEFAULT_HEADER_TABLE_BYTES) {
      throw new Http2Error("COMPRESSION_ERROR", `a table size update to ${bytes_max}`);
    }
    this.#table.resize(bytes_max);
  }

  #literal(prefixBits: number): HeaderField {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#table.get(index)[0];
    return [name, this.#string()];
  }

  /** Section 5.1. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= INTEGER_SHIFT_MAX; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new Http2Error("COMPRESSION_ERROR", "a number that is too large");
  }

  /** Section 5.2. */
  #string(): string {
    const huffman = (this.#block[this.#at] ?? 0) & 0x80;
    const length = this.#integer(7);
    const from = this.#at;
    this.#at += length;
    if (this.#at > this.#block.length) {
      throw new Http2Error("COMPRESSION_ERROR", "a header block that is cut short");
    }
    return huffman
      ? decodeHuffman(this.#block, from, this.#at)
      : this.#block.toString("latin1", from, this.#at);
  }

  #byte(): number {
    const byte = this.#block[this.#at++];
    if (byte !== undefined) return byte;
    throw new Http2Error("COMPRESSION_ERROR", "a header block that is cut short");
  }
}
