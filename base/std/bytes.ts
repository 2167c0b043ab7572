/** The empty value, shared. */
export const NO_BYTES: Buffer = Buffer.alloc(0);

/**
 * Returns the UTF-8 of `text` in its own memory. `Buffer.from` allocates small buffers from Node's
 * shared pool, and one reference into a pool retains all its 64 KiB.
 */
export function ownUtf8(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

/**
 * Returns the same text in its own memory. A part of a text (`slice`, a match) refers to the whole:
 * what is kept of it retains all that a client sent.
 */
export const ownText = (text: string): string => Buffer.from(text).toString();

/** Concatenates the parts in newly allocated memory. */
export function ownBytes(...parts: readonly Uint8Array[]): Buffer<ArrayBuffer> {
  const bytes = Buffer.allocUnsafeSlow(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Returns the same bytes as a Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Tables for eight bytes at a time: tables[k] is for a byte followed by k zero bytes. */
const CRC32C_TABLES = (() => {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    tables[0]![i] = crc >>> 0;
  }
  for (let k = 1; k < tables.length; k++) {
    tables[k - 1]!.forEach((crc, i) => {
      tables[k]![i] = (crc >>> 8) ^ tables[0]![crc & 0xff]!;
    });
  }
  return tables;
})();
const [T0, T1, T2, T3, T4, T5, T6, T7] = CRC32C_TABLES as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

/** CRC-32C (Castagnoli, RFC 3720 B.4); pass an earlier result as `seed` to continue it. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed;
  let at = 0;
  for (const end = bytes.length - 7; at < end; at += 8) {
    const low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    crc ^= low | (bytes[at + 3]! << 24);
    crc =
      T7[crc & 0xff]! ^
      T6[(crc >>> 8) & 0xff]! ^
      T5[(crc >>> 16) & 0xff]! ^
      T4[crc >>> 24]! ^
      T3[bytes[at + 4]!]! ^
      T2[bytes[at + 5]!]! ^
      T1[bytes[at + 6]!]! ^
      T0[bytes[at + 7]!]!;
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ T0[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}
