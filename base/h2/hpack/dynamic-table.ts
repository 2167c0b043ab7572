import { Http2Error } from "../frame.ts";
import { type HeaderField, STATIC_TABLE } from "./static-table.ts";

/** An entry's size beside its name and value (RFC 7541, section 4.1). */
const ENTRY_OVERHEAD_BYTES = 32;

export function fieldSize([name, value]: HeaderField): number {
  return name.length + value.length + ENTRY_OVERHEAD_BYTES;
}

/** The fields that a connection has agreed to name by number, the newest first (section 2.3). */
export class DynamicTable {
  /** The oldest first: index 62 is the last of the list. */
  readonly #entries: HeaderField[] = [];
  #bytes = 0;
  #bytes_max: number;

  constructor(bytes_max: number) {
    this.#bytes_max = bytes_max;
  }

  /** The field of an index, static ones included. */
  get(index: number): HeaderField {
    const field =
      index <= STATIC_TABLE.length
        ? STATIC_TABLE[index - 1]
        : this.#entries[this.#entries.length - (index - STATIC_TABLE.length)];
    if (field) return field;
    throw new Http2Error("COMPRESSION_ERROR", `no header field has the index ${index}`);
  }

  add(field: HeaderField): void {
    const size = fieldSize(field);
    this.#evictTo(this.#bytes_max - size);
    // One that is larger than the table empties it, and is no error (section 4.4).
    if (size > this.#bytes_max) return;
    this.#entries.push(field);
    this.#bytes += size;
  }

  resize(bytes_max: number): void {
    this.#bytes_max = bytes_max;
    this.#evictTo(bytes_max);
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes && this.#entries.length > 0) {
      this.#bytes -= fieldSize(this.#entries.shift()!);
    }
  }
}
