import { statfsSync } from "node:fs";

/** Returns how many bytes may still be written to the disk of a directory. */
export function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}
