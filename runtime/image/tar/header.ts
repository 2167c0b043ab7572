import { RuntimeError } from "../../errors.ts";

/** All of an archive is in blocks of this many bytes. */
export const BLOCK_BYTES = 512;

/** The kinds of files that a layer may hold. */
export type TarType =
  | "file"
  | "directory"
  | "symlink"
  | "link"
  | "character-device"
  | "block-device"
  | "fifo";

/** An archive's entry of one file. Names are bytes: they need not be UTF-8. */
export interface TarHeader {
  name: Buffer;
  type: TarType;
  /** Where a symbolic link leads, or the file that a hard link is another name of. */
  linkname: Buffer;
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of content; 0 for all but files. */
  size: number;
  /** Time of the last change, in milliseconds since 1970. */
  mtime_ms: number;
  devmajor: number;
  devminor: number;
  /** Extended attributes by name (SCHILY.xattr). */
  attributes: ReadonlyMap<string, Buffer>;
}

export const malformed = (why: string) =>
  new RuntimeError("invalid-argument", `malformed tar: ${why}`);

const TYPES: Readonly<Record<string, TarType>> = {
  "\0": "file",
  "0": "file",
  "1": "link",
  "2": "symlink",
  "3": "character-device",
  "4": "block-device",
  "5": "directory",
  "6": "fifo",
  // A contiguous file; no system makes one differently today.
  "7": "file",
};

/** The type of a header's flag; others, GNU's sparse files among them, are refused by name. */
export function typeOf(flag: string, name: Buffer): TarType {
  const type = Object.hasOwn(TYPES, flag) ? TYPES[flag] : undefined;
  if (type === undefined) {
    const text = JSON.stringify(name.toString("utf8", 0, 200));
    throw malformed(`${text} is of type ${JSON.stringify(flag)}, which is not supported`);
  }
  // Before POSIX, a directory was a file whose name ends in a slash.
  return type === "file" && name.at(-1) === 0x2f ? "directory" : type;
}

/** Fields of a header block as they stand there: places and sizes are POSIX's (ustar). */
export interface HeaderBlock extends Omit<TarHeader, "type" | "attributes"> {
  flag: string;
}

/** Bytes up to the first zero byte of a field. */
function text(block: Buffer, from: number, length: number): Buffer {
  const field = block.subarray(from, from + length);
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end));
}

/** A number in octal digits, or in base 256 when the first bit is set (GNU). */
function number(block: Buffer, from: number, length: number, what: string): number {
  const field = block.subarray(from, from + length);
  const first = field[0]!;
  const value = first & 0x80 ? base256(field) : octal(field.toString("latin1"));
  if (Number.isSafeInteger(value)) return value;
  throw malformed(`${what} of a header is no number in range`);
}

function octal(field: string): number {
  const digits = /^ *([0-7]*)[ \0]*$/.exec(field)?.[1];
  return digits === undefined ? Number.NaN : digits === "" ? 0 : Number.parseInt(digits, 8);
}

/** Two's complement without its first bit, which says that it is one. */
function base256(field: Buffer): number {
  const negative = (field[0]! & 0x40) !== 0;
  let value = negative ? field[0]! - 0x100 : field[0]! & 0x7f;
  for (const byte of field.subarray(1)) value = value * 256 + byte;
  return value;
}

/** The sum of a block's bytes, its checksum field taken for spaces. */
export function checksumOf(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK_BYTES; i++) if (i < 148 || i >= 156) sum += block[i]!;
  return sum;
}

/** Reads a header block (POSIX, GNU, or older). A wrong checksum is refused. */
export function decodeHeader(block: Buffer): HeaderBlock {
  if (number(block, 148, 8, "the checksum") !== checksumOf(block)) {
    throw malformed("a header has a wrong checksum");
  }
  const ustar = block.toString("latin1", 257, 263) === "ustar\0";
  const prefix = ustar ? text(block, 345, 155) : Buffer.alloc(0);
  const name = text(block, 0, 100);
  // Without a magic the block ends with the link's name.
  const posix = ustar || block.toString("latin1", 257, 265) === "ustar  \0";
  return {
    name: prefix.length > 0 ? Buffer.concat([prefix, Buffer.from("/"), name]) : name,
    flag: String.fromCharCode(block[156]!),
    linkname: text(block, 157, 100),
    mode: number(block, 100, 8, "the mode"),
    uid: number(block, 108, 8, "the user"),
    gid: number(block, 116, 8, "the group"),
    size: number(block, 124, 12, "the size"),
    mtime_ms: number(block, 136, 12, "the time") * 1_000,
    devmajor: posix ? number(block, 329, 8, "the device") : 0,
    devminor: posix ? number(block, 337, 8, "the device") : 0,
  };
}
