import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { SystemCallError } from "../syscall/libc.ts";
import type { FileName } from "./calls.ts";
import type { Directory, LookUp } from "./directory.ts";

const [EINVAL, ELOOP] = [22, 40];

/**
 * Opens a regular file beneath a directory for reading; undefined when there is nothing. A link
 * that is not followed is ELOOP, anything else EINVAL: a fifo or device is never opened. It does
 * not wait: a file on which a program has a lease (fcntl(2), F_SETLEASE) is EAGAIN.
 */
export async function openFile(
  directory: Directory,
  name: FileName,
  options: LookUp = {},
): Promise<FileHandle | undefined> {
  using found = directory.find(name, options);
  if (!found) return undefined;
  const stats = found.stats();
  if (!stats.isFile()) {
    const errno = stats.isSymbolicLink() ? ELOOP : EINVAL;
    throw new SystemCallError("open", errno, `${found.label} is not a regular file`);
  }
  // The descriptor's own file, even if the name leads elsewhere by now.
  return await open(`/proc/self/fd/${found.fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
}
