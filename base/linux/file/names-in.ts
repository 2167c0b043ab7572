import { readdir } from "node:fs/promises";
import { isErrno } from "@raft2kube/std/errors.ts";

/** Returns the names in a directory, none when it does not exist. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return [];
    throw thrown;
  }
}
