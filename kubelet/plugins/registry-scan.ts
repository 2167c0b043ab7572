import { lstat, readdir } from "node:fs/promises";
import path from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { PLUGIN_SOCKETS_MAX } from "./limits.ts";
import type { RegistrySocket } from "./plan.ts";

/**
 * Returns the sockets below a registry directory without hidden files, as upstream. Links are not
 * followed. At most PLUGIN_SOCKETS_MAX, the first by name.
 */
export async function scanRegistry(directory: string): Promise<RegistrySocket[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isSocket() && !entry.name.startsWith("."))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
    .slice(0, PLUGIN_SOCKETS_MAX);
  const sockets = await Promise.all(files.map(identify));
  return sockets.filter((socket) => socket !== undefined);
}

async function identify(file: string): Promise<RegistrySocket | undefined> {
  try {
    const { ino, ctimeMs } = await lstat(file);
    return { path: file, identity: `${ino}:${ctimeMs}` };
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return undefined;
    throw thrown;
  }
}
