import { rmdir } from "node:fs/promises";
import { errno, tolerate } from "@raft2kube/std/errors.ts";

/** Removes a folder; one that has something in it, is mounted on, linked or not there, is left. */
export async function removeIfEmpty(path: string): Promise<void> {
  await tolerate(rmdir(path), errno("ENOTEMPTY", "ENOENT", "EBUSY", "EEXIST", "ENOTDIR"));
}
