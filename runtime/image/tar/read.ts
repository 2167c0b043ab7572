import { TAR_EXTENSION_BYTES, TAR_RECORDS_ALL } from "../../limits.ts";
import {
  BLOCK_BYTES,
  decodeHeader,
  type HeaderBlock,
  malformed,
  type TarHeader,
} from "./header.ts";
import { completeHeader, decodePax, type PaxRecords } from "./pax.ts";

/** One entry of an archive. Its content can be read once, before the next entry is asked for. */
export type TarEntry = { header: TarHeader; content: AsyncIterable<Buffer> };

/** The bytes of an archive, taken from a stream in the sizes that its format asks for. */
class Bytes {
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  /** Extended headers and their records so far. */
  #records = 0;

  constructor(source: AsyncIterable<Buffer>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Reads at least one byte and at most `length`, as they come; undefined at the end. */
  async some(length: number): Promise<Buffer | undefined> {
    while (this.#chunk.length === 0) {
      const { value, done } = await this.#chunks.next();
      if (done) return undefined;
      this.#chunk = value as Buffer;
    }
    const taken = this.#chunk.subarray(0, length);
    this.#chunk = this.#chunk.subarray(taken.length);
    return taken;
  }

  /** Reads `length` bytes; fewer only at the end. The caller bounds `length`. */
  async exactly(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const part = await this.some(left);
      if (part === undefined) break;
      left -= part.length;
      parts.push(part);
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  async *content(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      const part = await this.some(left);
      if (part === undefined) throw malformed("it ends within a file");
      left -= part.length;
      yield part;
    }
  }

  /** Counts an extended header or a record of one: no limit of entries bounds these. */
  countRecord(): void {
    if (++this.#records > TAR_RECORDS_ALL) throw malformed("it has too many extended headers");
  }

  /** Ends the source. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

const padding = (size: number) => (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
const isZero = (block: Buffer) => block.every((byte) => byte === 0);

/** The next header block; undefined at the archive's end, which is two blocks of zeros or none. */
async function nextBlock(bytes: Bytes): Promise<Buffer | undefined> {
  const block = await bytes.exactly(BLOCK_BYTES);
  if (block.length === 0) return undefined;
  if (block.length < BLOCK_BYTES) throw malformed("it ends within a header");
  if (block[0] !== 0 || !isZero(block)) return block;
  const second = await bytes.exactly(BLOCK_BYTES);
  if (second.length > 0 && !isZero(second)) throw malformed("a header follows a block of zeros");
  return undefined;
}

/** The content of a header that says something about the next one. */
async function extension(bytes: Bytes, { size }: HeaderBlock): Promise<Buffer> {
  if (!(size >= 0 && size <= TAR_EXTENSION_BYTES)) {
    throw malformed(`an extended header of ${size} bytes`);
  }
  bytes.countRecord();
  const whole = await bytes.exactly(size + padding(size));
  if (whole.length < size + padding(size)) throw malformed("it ends within a header");
  return whole.subarray(0, size);
}

function upToZero(name: Buffer): Buffer {
  const end = name.indexOf(0);
  return end < 0 ? name : name.subarray(0, end);
}

/** The next entry's header, with all that precedes it taken into account. */
async function nextHeader(bytes: Bytes): Promise<TarHeader | undefined> {
  let records: PaxRecords = new Map();
  const long: { name?: Buffer; linkname?: Buffer } = {};
  const count = () => bytes.countRecord();
  for (let extended = false; ; extended = true) {
    const raw = await nextBlock(bytes);
    if (raw === undefined && extended) throw malformed("it ends after an extended header");
    if (raw === undefined) return undefined;
    const block = decodeHeader(raw);
    switch (block.flag) {
      case "x":
        records = decodePax(await extension(bytes, block), count);
        break;
      case "g":
        // For all that follow: tools write comments there, and no runtime heeds it.
        decodePax(await extension(bytes, block), count);
        break;
      case "L":
        long.name = upToZero(await extension(bytes, block));
        break;
      case "K":
        long.linkname = upToZero(await extension(bytes, block));
        break;
      default:
        return completeHeader(block, records, long);
    }
  }
}

/**
 * The entries of a tar (POSIX with pax headers, GNU, or older), in order. Content that the loop
 * does not read is skipped; leaving the loop ends the source. A broken archive is invalid-argument;
 * errors of the source are passed on. Bytes after the end are read too, so that a hash of the
 * source covers all of it.
 */
export async function* tarEntries(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const bytes = new Bytes(source);
  try {
    for (;;) {
      const header = await nextHeader(bytes);
      if (header === undefined) break;
      const content = bytes.content(header.size);
      yield { header, content };
      while (!(await content.next()).done);
      await skip(bytes, padding(header.size));
    }
    while ((await bytes.some(Number.MAX_SAFE_INTEGER)) !== undefined);
  } finally {
    await bytes.close();
  }
}

async function skip(bytes: Bytes, length: number): Promise<void> {
  const skipped = await bytes.exactly(length);
  if (skipped.length < length) throw malformed("it ends within a file");
}
