import { createReadStream, createWriteStream, statSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { freshOf } from "@raft2kube/linux/file/durable-file.ts";
import { badFlag } from "../run/values.ts";

/** The flag of a file to write to. */
export const OUTPUT = { "-o, --output <file>": "by default standard output" } as const;

/**
 * Writes a tar to a file for its owner alone, which is there once it is whole, or to standard
 * output, if that is no terminal.
 */
export async function writeOutput(
  stream: AsyncIterable<Uint8Array>,
  file: string | undefined,
): Promise<void> {
  if (file === undefined && process.stdout.isTTY) {
    throw badFlag("-o", "", "is missing: a tar is not for a terminal");
  }
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

/** Opens a file at a place, or standard input for `-`; its reader meets its errors. */
export function openInput(file: string, start = 0): Readable {
  if (file === "-") return process.stdin;
  const stream = createReadStream(file, { start });
  return stream.on("error", () => stream.destroy());
}
