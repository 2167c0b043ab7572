import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { CodedError, errno, tolerate } from "@raft2kube/std/errors.ts";
import { readAt } from "./read-at.ts";

/**
 * Returns the text of a regular file that another program has put here. Throws CodedError
 * `NOT_REGULAR` for a fifo, which would be waited for without end, a device, which has none, or a
 * socket, and `TOO_BIG` for more than `bytes_max`.
 */
export async function readRegular(path: string, bytes_max: number): Promise<string> {
  const opening = open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  await using file = await tolerate(opening, errno("ENXIO")); // a socket's
  const stats = await file?.stat();
  if (!file || !stats?.isFile()) {
    throw new CodedError("NOT_REGULAR", `${path} is not a regular file`);
  }
  if (stats.size > bytes_max) {
    const text = `${path}: ${stats.size} bytes, more than the ${bytes_max} that are read`;
    throw new CodedError("TOO_BIG", text);
  }
  return (await readAt(file, 0, stats.size)).toString("utf8");
}
