import path from "node:path";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { tryLock } from "@raft2kube/linux/file/flock.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import type { Host } from "../engine/host.ts";

/** The folder of what `RUN --mount=type=cache` keeps. */
export function mountCaches({ root }: Pick<Host, "root">): string {
  return path.join(root, "build-caches");
}

/** Removes these caches, unless a build that may have them mounted runs. Returns how many. */
export async function clearMountCaches(host: Pick<Host, "root" | "imagesDir">): Promise<number> {
  const builds = path.join(host.imagesDir, "builds");
  for (const name of await namesIn(builds)) {
    if (!name.endsWith(".lock")) continue;
    using lock = tryLock(path.join(builds, name));
    if (lock === undefined) return 0;
  }
  const count = (await namesIn(mountCaches(host))).length;
  await removePath(mountCaches(host));
  return count;
}
