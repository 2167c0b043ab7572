import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import type { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { isWhiteout } from "@raft2kube/runtime/image/whiteout.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";

/** Places that an OCI runtime makes in a root for its own mounts. */
const PLACES = ["etc/resolv.conf", "etc/hosts", "dev", "proc", "sys"];

/**
 * Removes from an upper directory what is there only since something was mounted on it, or on what
 * is in it: no part of what a command wrote. `lower` are the folders below, the topmost first;
 * `targets` the step's own mounts.
 */
export async function removeMountPoints(
  upper: string,
  lower: readonly string[],
  targets: readonly string[],
): Promise<void> {
  using root = Directory.open(upper);
  using stack = new DisposableStack();
  const layers = lower.map((folder) => stack.use(Directory.open(folder)));
  const inside = targets.map((target) => path.posix.normalize(target).replace(/^\/+|\/+$/g, ""));
  for (const place of [...PLACES, ...inside]) {
    for (let at = place; at !== "." && at !== ""; at = path.posix.dirname(at)) {
      using made = look(root, at);
      if (made === undefined || !isStub(root, at, made, layers)) break;
      using parent = root.directory(path.posix.dirname(at));
      await removeTree(parent, path.posix.basename(at));
    }
  }
}

/** Finds a place; a link on the way to it leads nowhere. */
function look(root: Directory, at: string): Handle | undefined {
  return tolerateSync(() => root.find(at), errno("ELOOP"));
}

/** An empty file or directory that is new, or that differs by its time alone. */
function isStub(root: Directory, at: string, made: Handle, layers: readonly Directory[]): boolean {
  const stats = made.stats();
  if (stats.isDirectory()) {
    using directory = root.directory(at);
    const [first] = directory.names();
    if (first !== undefined) return false;
  } else if (!stats.isFile() || stats.size > 0) return false;
  for (const layer of layers) {
    using below = look(layer, at);
    if (below === undefined) continue;
    if (isWhiteout(below)) return true;
    const { mode, uid, gid } = below.stats();
    const isOpaque = [...made.attributes()].some(([name]) => name.endsWith(".overlay.opaque"));
    const isSame = mode === stats.mode && uid === stats.uid && gid === stats.gid && !isOpaque;
    return stats.isDirectory() && isSame;
  }
  return true;
}
