import { DEFAULT_HEADER_TABLE_BYTES } from "../settings.ts";
import { fieldSize } from "./dynamic-table.ts";
import { type HeaderField, STATIC_TABLE } from "./static-table.ts";

/** A list that is sent again and again: its fields are worth a place in the table. */
export type ConstantFields = readonly HeaderField[];

/**
 * Encodes header blocks for one connection (RFC 7541). Constant lists enter the dynamic table,
 * until it is full: nothing ever leaves it, so that later blocks are a byte per field. Everything
 * else goes as literals that the peer need not remember.
 */
export class HpackEncoder {
  /** Entries in the order of their insertion: the last one has index 62. */
  readonly #entries: string[] = [];
  #bytesLeft = DEFAULT_HEADER_TABLE_BYTES;
  #tableAllowed = true;
  #sayNoTable = false;
  readonly #blocks = new Map<ConstantFields, Buffer>();

  /** The peer's limit. One below the default is met by using no table at all. */
  setTableSize(bytes: number): void {
    if (bytes >= DEFAULT_HEADER_TABLE_BYTES || !this.#tableAllowed) return;
    this.#tableAllowed = false;
    this.#sayNoTable = true;
    this.#entries.length = 0;
    this.#blocks.clear();
  }

  /** The block of a list that will be sent again. */
  constant(fields: ConstantFields): Buffer {
    const known = this.#blocks.get(fields);
    if (known) return known;
    const before = this.#entries.length;
    const once = this.#sayNoTable;
    const block = this.#encode(fields, true);
    // An entry that was added moves the indexes of all others.
    if (this.#entries.length !== before) this.#blocks.clear();
    else if (!once) this.#blocks.set(fields, block);
    return block;
  }

  /** The block of a list that is sent once. */
  encode(fields: readonly HeaderField[]): Buffer {
    return this.#encode(fields, false);
  }

  #encode(fields: readonly HeaderField[], remember: boolean): Buffer {
    const bytes: number[] = [];
    if (this.#sayNoTable) {
      this.#sayNoTable = false;
      integer(bytes, 0x20, 5, 0);
    }
    for (const field of fields) this.#field(bytes, field, remember);
    return Buffer.from(bytes);
  }

  #field(bytes: number[], field: HeaderField, remember: boolean): void {
    const index = this.#indexOf(field);
    if (index !== undefined) return integer(bytes, 0x80, 7, index);
    const [name, value] = field;
    const nameIndex = STATIC_TABLE.findIndex((known) => known[0] === name) + 1;
    if (remember && this.#tableAllowed && fieldSize(field) <= this.#bytesLeft) {
      this.#bytesLeft -= fieldSize(field);
      this.#entries.push(keyOf(field));
      integer(bytes, 0x40, 6, nameIndex);
    } else integer(bytes, 0, 4, nameIndex);
    if (nameIndex === 0) string(bytes, name);
    string(bytes, value);
  }

  #indexOf(field: HeaderField): number | undefined {
    const [name, value] = field;
    const fixed = STATIC_TABLE.findIndex((known) => known[0] === name && known[1] === value);
    if (fixed >= 0) return fixed + 1;
    const at = this.#entries.indexOf(keyOf(field));
    return at < 0 ? undefined : STATIC_TABLE.length + this.#entries.length - at;
  }
}

const keyOf = ([name, value]: HeaderField): string => `${name}\n${value}`;

function integer(bytes: number[], pattern: number, prefixBits: number, value: number): void {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    bytes.push(pattern | value);
    return;
  }
  bytes.push(pattern | mask);
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
}

function string(bytes: number[], text: string): void {
  const encoded = Buffer.from(text, "latin1");
  integer(bytes, 0, 7, encoded.length);
  // Not spread: an argument for each byte does not fit on the stack.
  for (const byte of encoded) bytes.push(byte);
}
