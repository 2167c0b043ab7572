const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

/** A netlink attribute: length, type, value, padded to four bytes (linux/netlink.h, nlattr). */
export function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc((4 + value.length + 3) & ~3);
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

/** An attribute that holds attributes. */
export function nest(type: number, ...inner: Buffer[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(inner));
}

export function textAttribute(type: number, text: string): Buffer {
  return attribute(type, Buffer.from(`${text}\0`));
}

export function u8Attribute(type: number, value: number): Buffer {
  return attribute(type, Buffer.from([value]));
}

export function u16Attribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return attribute(type, bytes);
}

export function u32Attribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return attribute(type, bytes);
}

/** The attributes from `at` on, by type; of a repeated one the last. The values are views. */
export function parseAttributes(bytes: Buffer, at = 0): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  while (at + 4 <= bytes.length) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    const type = bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK;
    attributes.set(type, bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return attributes;
}

/** The number of attributes, repeated ones too. */
export function countAttributes(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at + 4 <= bytes.length; count++) {
    at += Math.max(4, (bytes.readUInt16LE(at) + 3) & ~3);
  }
  return count;
}

/** The value of a NUL-terminated text attribute. */
export function textOf(value: Buffer): string {
  const end = value.indexOf(0);
  return value.toString("utf8", 0, end < 0 ? value.length : end);
}
