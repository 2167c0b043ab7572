import { readdir } from "node:fs/promises";
import { errno, tolerate } from "@raft2kube/std/errors.ts";

/** Returns the names in a directory, none when it does not exist. */
export async function namesIn(directory: string): Promise<string[]> {
  return (await tolerate(readdir(directory), errno("ENOENT"))) ?? [];
}
