import { rmdir } from "node:fs/promises";
import { isErrno } from "@raft2kube/std/errors.ts";

/** Removes a folder; one that has something in it, is mounted on, or is not there, is left. */
export async function removeIfEmpty(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOTEMPTY", "ENOENT", "EBUSY", "EEXIST")) throw thrown;
  }
}
