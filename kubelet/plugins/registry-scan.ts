import { lstat, opendir } from "node:fs/promises";
import path from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { PLUGIN_SOCKETS_MAX } from "./limits.ts";
import type { RegistrySocket } from "./plan.ts";

/**
 * Returns the sockets below a registry directory without hidden files, as upstream. Links are not
 * followed. At most PLUGIN_SOCKETS_MAX, the first by name; others are passed over one by one, as a
 * plugin can make millions of files here.
 */
export async function scanRegistry(directory: string): Promise<RegistrySocket[]> {
  const files: string[] = [];
  const keepFirst = () => void files.sort().splice(PLUGIN_SOCKETS_MAX);
  for await (const entry of await opendir(directory, { recursive: true })) {
    if (!entry.isSocket() || entry.name.startsWith(".")) continue;
    files.push(path.join(entry.parentPath, entry.name));
    if (files.length === 2 * PLUGIN_SOCKETS_MAX) keepFirst();
  }
  keepFirst();
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
