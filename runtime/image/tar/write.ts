import { Readable } from "node:stream";
import { BLOCK_BYTES, checksumOf, type TarType } from "./header.ts";

/** An entry for `writeTar`: by default a file of root, of mode 644 (folders 755). */
export interface TarInput {
  name: string;
  type?: TarType;
  linkname?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: Date;
  devmajor?: number;
  devminor?: number;
  /** Extended attributes by name. */
  attributes?: Readonly<Record<string, Uint8Array>>;
  content?: string | Uint8Array;
}

/** An entry whose names need not be UTF-8. */
export type TarFields = Omit<TarInput, "name" | "linkname" | "content"> & {
  name: string | Uint8Array;
  linkname?: string | Uint8Array;
};

const FLAGS: Record<TarType, string> = {
  file: "0",
  link: "1",
  symlink: "2",
  "character-device": "3",
  "block-device": "4",
  directory: "5",
  fifo: "6",
};
const OCTAL_SIZE_MAX = 8 ** 11 - 1;
/** An id that fits into a header block. */
const ID_MAX = 8 ** 7 - 1;

/** A header block; fields that are too long for it are cut, as a pax header says them whole. */
function header(entry: TarFields, flag: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, digits: number) =>
    block.write(value.toString(8).padStart(digits, "0"), at, "latin1");
  const mode = entry.mode ?? (entry.type === "directory" ? 0o755 : 0o644);
  block.set(Buffer.from(entry.name).subarray(0, 100), 0);
  octal(mode & 0o7777, 100, 7);
  octal(Math.min(entry.uid ?? 0, ID_MAX), 108, 7);
  octal(Math.min(entry.gid ?? 0, ID_MAX), 116, 7);
  octal(size, 124, 11);
  octal(Math.floor((entry.mtime?.getTime() ?? 0) / 1_000), 136, 11);
  block.write(flag, 156, "latin1");
  block.set(Buffer.from(entry.linkname ?? "").subarray(0, 100), 157);
  block.write("ustar\0" + "00", 257, "latin1");
  octal(entry.devmajor ?? 0, 329, 7);
  octal(entry.devminor ?? 0, 337, 7);
  block.write(`${checksumOf(block).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function record(key: string, value: Uint8Array | string): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from("\n")]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) {
    length = String(length).length + rest.length;
  }
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** Values that do not fit into a header block. */
function extension({ name, linkname = "", uid = 0, gid = 0, attributes = {} }: TarFields): Buffer {
  const records: Buffer[] = [];
  if (Buffer.from(name).length > 100) records.push(record("path", name));
  if (Buffer.from(linkname).length > 100) records.push(record("linkpath", linkname));
  if (uid > ID_MAX) records.push(record("uid", String(uid)));
  if (gid > ID_MAX) records.push(record("gid", String(gid)));
  for (const [key, value] of Object.entries(attributes)) {
    records.push(record(`SCHILY.xattr.${key}`, value));
  }
  return Buffer.concat(records);
}

function* blocks(content: Uint8Array): Generator<Uint8Array> {
  const rest = content.length % BLOCK_BYTES;
  if (content.length > 0) yield content;
  if (rest > 0) yield Buffer.alloc(BLOCK_BYTES - rest);
}

/** The headers of an entry whose content of `size` bytes follows, and `paddingOf` it. */
export function* headersOf(entry: TarFields, size: number): Generator<Uint8Array> {
  if (size > OCTAL_SIZE_MAX) throw new RangeError(`${String(entry.name)}: over 8 GiB`);
  const more = extension(entry);
  if (more.length > 0) {
    yield header({ name: "PaxHeaders" }, "x", more.length);
    yield* blocks(more);
  }
  yield header(entry, FLAGS[entry.type ?? "file"], size);
}

/** Returns the zeros between content of `size` bytes and the next block. */
export function paddingOf(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** The end of an archive. */
export const tarEnd = () => Buffer.alloc(2 * BLOCK_BYTES);

function* entryOf(entry: TarInput): Generator<Uint8Array> {
  const content = Buffer.from(entry.content ?? "");
  yield* headersOf(entry, content.length);
  yield* blocks(content);
}

/** A tar of entries, each of which is in memory. */
export function writeTar(entries: Iterable<TarInput> | AsyncIterable<TarInput>): Readable {
  async function* all(): AsyncGenerator<Uint8Array> {
    for await (const entry of entries) yield* entryOf(entry);
    yield Buffer.alloc(2 * BLOCK_BYTES);
  }
  const archive = Readable.from(all(), { objectMode: false });
  archive.on("error", () => archive.destroy());
  return archive;
}
