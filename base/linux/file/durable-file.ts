import { link, mkdir, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { CodedError, isErrno } from "@raft2kube/std/errors.ts";

/**
 * Replaces a file so that after a crash either the old or the new content is there, whole: a new
 * file beside it, fsync, rename, fsync of the directory. The directory is made when it is missing.
 * The new file has a fixed name, so a crash leaves at most one behind and the next call reuses it;
 * callers writing the same path wait for each other. On a full disk (`ENOSPC`) nothing is left of
 * it, and the error names the file.
 */
export async function replaceFile(
  file: string,
  content: string | Uint8Array,
  options: { mode?: number } = {},
): Promise<void> {
  const directory = path.dirname(file);
  await mkdir(directory, { recursive: true });
  const fresh = freshOf(file);
  const handle = await open(fresh, "w", options.mode ?? 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } catch (cause) {
    if (!isErrno(cause, "ENOSPC", "EDQUOT")) throw cause;
    await rm(fresh, { force: true });
    const what = `${file} cannot be written: no space is left on its disk`;
    throw new CodedError("ENOSPC", what, { remedy: "free some, then try again", cause });
  } finally {
    await handle.close();
  }
  await rename(fresh, file);
  await syncDirectory(directory);
}

/**
 * Makes a file that appears under its name once it is whole and synced, and replaces none. Until
 * then it is FILE.partial; a crash leaves that, and the next call is refused (`EEXIST`).
 */
export async function createFile(file: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const partial = `${file}.partial`;
  await using handle = await open(partial, "wx", 0o600);
  try {
    for await (const chunk of content) await handle.writeFile(chunk);
    await handle.sync();
    await link(partial, file);
    await syncDirectory(path.dirname(file));
  } finally {
    await rm(partial);
  }
}

/** The name that a file's new content has until it is whole, which a crash leaves behind. */
export function freshOf(file: string): string {
  return path.join(path.dirname(file), `.${path.basename(file)}.new`);
}

/** Makes the entries of a directory (a rename, a new file, a removal) survive a power loss. */
export async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, "r");
  await handle.sync();
}
