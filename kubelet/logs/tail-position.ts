import type { FileHandle } from "node:fs/promises";
import type { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { openFile } from "@raft2kube/linux/beneath/open-file.ts";

export interface LogPosition {
  /** Index into the list of files. */
  file: number;
  offset: number;
  /** Handle of that file if it was opened, which the caller closes: the name may go meanwhile. */
  handle?: FileHandle;
}

const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** Where the last `lines` lines of the files start; the very start when there are not as many. */
export async function tailPosition(
  directory: Directory,
  files: string[],
  lines: number,
): Promise<LogPosition> {
  let left = lines;
  for (let file = files.length - 1; file >= 0; file--) {
    const handle = await openFile(directory, files[file]!);
    if (!handle) continue;
    let offset: number | undefined;
    try {
      const { size } = await handle.stat();
      const found = left > 0 ? await startOfLast(handle, size, left) : { offset: size, lines: 0 };
      left -= found.lines;
      offset = found.offset ?? (left <= 0 ? 0 : undefined);
      if (offset !== undefined) return { file, offset, handle };
    } finally {
      if (offset === undefined) await handle.close();
    }
  }
  return { file: 0, offset: 0 };
}

/** Searches backwards for the newline before the last `wanted` lines of one file. */
async function startOfLast(
  handle: FileHandle,
  size: number,
  wanted: number,
): Promise<{ offset: number | undefined; lines: number }> {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let lines = 0;
  for (let end = size; end > 0; ) {
    const begin = Math.max(0, end - CHUNK_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, end - begin, begin);
    for (let i = bytesRead - 1; i >= 0; i--) {
      if (buffer[i] !== NEWLINE || begin + i === size - 1) continue;
      if (++lines === wanted) return { offset: begin + i + 1, lines };
    }
    end = begin;
  }
  return { offset: undefined, lines: size > 0 ? lines + 1 : 0 };
}
