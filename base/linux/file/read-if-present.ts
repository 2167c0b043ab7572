import { readFile } from "node:fs/promises";
import { errno, tolerate } from "@raft2kube/std/errors.ts";

/** Returns a file's text; undefined if it does not exist. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  return tolerate(readFile(path, "utf8"), errno("ENOENT"));
}
