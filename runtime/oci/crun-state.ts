import { constants, existsSync } from "node:fs";
import { open, unlink } from "node:fs/promises";
import path from "node:path";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { identify } from "../process-identity.ts";

/**
 * Starts a created container's process as `crun start` does: the process waits for a byte of a
 * FIFO. False where none waits; the program knows why. A program's start is a tenth of the time
 * that a container takes from create to remove.
 */
export async function startWaiting(root: string, id: string): Promise<boolean> {
  const fifo = path.join(root, id, "exec.fifo");
  try {
    // Without a reader the opening would wait for one.
    await using handle = await open(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    // A kill between the two leaves a container as created, not one that waits without a FIFO.
    await handle.write("1");
    await unlink(fifo);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENXIO", "EPIPE")) return false;
    throw error;
  }
}

/**
 * Removes crun's state of a container whose first process has ended, if there is one; false where
 * it has not. The cgroup stays: those who call it remove it, and our bundles have no hooks for the
 * end.
 */
export async function removeEnded(root: string, id: string): Promise<boolean> {
  const directory = path.join(root, id);
  const status = await readIfPresent(path.join(directory, "status"));
  if (status === undefined && !existsSync(directory)) return true;
  const pid = status && /"pid"\s*:\s*(\d+)/.exec(status)?.[1];
  if (!pid || identify(Number(pid)) !== undefined) return false;
  await removePath(directory);
  return true;
}
