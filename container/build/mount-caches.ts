import { createHash } from "node:crypto";
import { chmod, chown, mkdir } from "node:fs/promises";
import path from "node:path";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { type FileLock, tryLock } from "@raft2kube/linux/file/flock.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { Host } from "../engine/host.ts";
import { RUN_TIMEOUT_MS } from "../limits.ts";
import type { Builder } from "./builder.ts";

/** The folder of what `RUN --mount=type=cache` keeps. */
export function mountCaches({ root }: Pick<Host, "root">): string {
  return path.join(root, "build-caches");
}

/** A cache of a step: `sharing` says what other steps that have it do meanwhile. */
export interface CacheWish {
  id: string;
  sharing: "shared" | "locked";
  /** The mode and owner of a cache that is made. */
  mode: number;
  uid: number;
  gid: number;
}

/**
 * Takes a cache until its lock is disposed of: `shared` beside others that share it, `locked`
 * alone, waiting for them.
 */
export async function takeMountCache(
  { host, signal }: Pick<Builder, "signal"> & { host: Pick<Host, "root" | "clock"> },
  { id, mode, uid, gid, sharing }: CacheWish,
): Promise<{ folder: string; lock: FileLock }> {
  const hash = createHash("sha256").update(id).digest("hex").slice(0, 24);
  const folder = path.join(mountCaches(host), hash);
  await mkdir(mountCaches(host), { recursive: true, mode: 0o700 });
  const how = sharing === "shared" ? "shared" : "exclusive";
  const options = { clock: host.clock, signal, timeout_ms: RUN_TIMEOUT_MS };
  const lock = await waitFor(`cache ${id}`, () => tryLock(`${folder}.lock`, how), options);
  if ((await mkdir(folder, { recursive: true })) !== undefined) {
    await chown(folder, uid, gid);
    await chmod(folder, mode);
  }
  return { folder, lock };
}

/** Removes these caches, unless a build that may have them mounted runs. */
export async function clearMountCaches(host: Pick<Host, "root" | "imagesDir">): Promise<void> {
  const builds = path.join(host.imagesDir, "builds");
  for (const name of await namesIn(builds)) {
    if (!name.endsWith(".lock")) continue;
    using lock = tryLock(path.join(builds, name));
    if (lock === undefined) return;
  }
  await removePath(mountCaches(host));
}
