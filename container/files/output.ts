import { createWriteStream, statSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { freshOf } from "@raft2kube/linux/file/durable-file.ts";

/** Writes to a file for its owner alone, which is there once it is whole, or to standard output. */
export async function writeOutput(
  stream: AsyncIterable<Uint8Array>,
  file: string | undefined,
): Promise<void> {
  if (file === undefined) return pipeline(stream, process.stdout);
  // A device or fifo is no place for a file.
  if (statSync(file, { throwIfNoEntry: false })?.isFile() === false) {
    return pipeline(stream, createWriteStream(file));
  }
  const fresh = freshOf(file);
  try {
    await rm(fresh, { force: true });
    await pipeline(stream, createWriteStream(fresh, { flags: "wx", mode: 0o600 }));
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}
