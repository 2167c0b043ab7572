import { readFile } from "node:fs/promises";
import { isErrno } from "@raft2kube/std/errors.ts";

/** Returns a file's text; undefined if it does not exist. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return undefined;
    throw thrown;
  }
}
