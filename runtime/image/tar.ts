import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract, pack, type Header } from "tar-stream";

export type { Header } from "tar-stream";

/** One entry of an archive. Its body must be read or skipped before the next one comes. */
export interface TarEntry {
  header: Header;
  body: Readable;
}

/**
 * The entries of a tar (POSIX, GNU, pax), in order. A broken archive or source throws from the
 * loop; leaving the loop early ends the source. What is left of a body is skipped.
 */
export async function* tarEntries(source: Readable): AsyncGenerator<TarEntry> {
  const extracting = extract();
  const feeding = pipeline(source, extracting as unknown as Writable);
  // The loop below meets the same failure; this keeps it from counting as unhandled meanwhile.
  const failed = feeding.then(() => undefined, (error: unknown) => error);
  try {
    for await (const entry of extracting) {
      yield { header: entry.header, body: entry as unknown as Readable };
      entry.resume();
    }
  } catch (thrown) {
    throw (await failed) ?? thrown;
  } finally {
    source.destroy();
  }
  await feeding;
}

/** What `writeTar` puts in an archive. */
export type TarInput = Partial<Header> & { name: string; content?: string | Uint8Array };

/** A tar of entries that are all in memory. */
export function writeTar(entries: Iterable<TarInput>): Readable {
  const packing = pack();
  for (const { content = "", ...header } of entries) packing.entry(header, content);
  packing.finalize();
  return Readable.from(packing as AsyncIterable<Buffer>, { objectMode: false });
}
