import type { Stats } from "node:fs";
import path from "node:path";
import { copyFileContent } from "@raft2kube/linux/beneath/copy-tree.ts";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import type { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { Slices } from "@raft2kube/std/slices.ts";

const FORMAT = 0o170000;
const NEW_DIRECTORY = 0o755;
/** Links that are followed, as by the kernel: a container may change them meanwhile. */
const LINKS_MAX = 40;

/** Properties that copies get in place of their sources' own. */
export interface CopyOptions {
  owner?: { uid: number; gid: number };
  /** Permissions of files, and of directories that are made. */
  mode?: number;
  /** Whether a place beneath the source is left out. */
  leaveOut?: (place: string) => boolean;
  /** Keeps owners where `owner` is not given; else copies belong to root. */
  keepsOwners?: boolean;
  /** Whether devices, set-id bits and capabilities come along: rights where they land. */
  keepsRights?: boolean;
  /** The time of directories that are made on the way. */
  now_ms: number;
  /** Whether directories and other files replace each other, as archives have it. */
  replaces?: boolean;
  /** Ends the copy, which rejects with its reason. */
  signal?: AbortSignal;
}

/** Directories beneath a root, made where they are missing, and those with this owner. */
export function makeOwned(
  root: Directory,
  place: string,
  owner: { uid: number; gid: number } = { uid: 0, gid: 0 },
): Directory {
  const made = (directory: Directory) => {
    using self = directory.handle(".");
    self.chown(owner.uid, owner.gid);
  };
  return root.makeDirectories(place, NEW_DIRECTORY, { links: "inside", made });
}

/**
 * A copied file: in a folder, or in a path that ends with `/`, else the path itself, or where a
 * link there leads.
 */
export function targetOf(target: Directory, place: string, name: string) {
  let inside = place.replace(/^\/+|\/+$/g, "") || ".";
  using found = target.find(inside, { links: "inside" }); // too many links are ELOOP
  if (place.endsWith("/") || found?.stats().isDirectory()) return { folder: inside, name };
  for (let links = 0; links <= LINKS_MAX; links++) {
    const at = { folder: path.posix.dirname(inside), name: path.posix.basename(inside) };
    using folder = target.find(at.folder, { links: "inside" });
    if (!folder?.stats().isDirectory()) return at;
    using parent = target.directory(at.folder, { links: "inside" });
    using last = parent.find(at.name);
    if (!last?.stats().isSymbolicLink()) return at;
    const link = last.readLink().toString();
    inside = link.startsWith("/") ? link.slice(1) : `${at.folder}/${link}`;
  }
  throw new RuntimeError("invalid-argument", `/${place} leads through too many links`);
}

/** Copies a file, directory, link or device; an existing directory is merged into. */
export async function copyEntry(
  from: { parent: Directory; name: string | Buffer; handle: Handle },
  to: { parent: Directory; name: string | Buffer },
  options: CopyOptions,
  place = "",
  slices = new Slices(),
): Promise<void> {
  const { handle } = from;
  const stats = handle.stats();
  options.signal?.throwIfAborted();
  if (slices.due) await slices.pause();
  const isDevice = stats.isBlockDevice() || stats.isCharacterDevice();
  if (stats.isSocket() || (isDevice && options.keepsRights === false)) return;
  if (stats.isDirectory()) {
    using inner = from.parent.directory(from.name);
    using made = await directoryAt(to.parent, to.name, options);
    await copyContent(inner, made, options, place, slices);
    describe(made, handle, stats, options);
    return;
  }
  using existing = to.parent.find(to.name);
  if (existing?.stats().isDirectory() && !options.replaces) throw inTheWay(existing, "a file");
  await removeTree(to.parent, to.name);
  if (stats.isSymbolicLink()) to.parent.makeSymlink(to.name, handle.readLink());
  else if (stats.isFile()) copyFileContent(handle, stats, to.parent, to.name);
  else to.parent.makeNode(to.name, stats.mode & FORMAT, stats.rdev);
  using made = to.parent.handle(to.name);
  describe(made, handle, stats, options);
}

/** Copies all that a directory holds. */
export async function copyContent(
  from: Directory,
  to: Directory,
  options: CopyOptions,
  place = "",
  slices = new Slices(),
): Promise<void> {
  for (const name of [...from.names()].sort(Buffer.compare)) {
    const inner = place === "" ? name.toString() : `${place}/${name.toString()}`;
    if (options.leaveOut?.(inner)) continue;
    using handle = from.find(name);
    if (handle === undefined) continue;
    await copyEntry({ parent: from, name, handle }, { parent: to, name }, options, inner, slices);
  }
}

function inTheWay({ label }: Handle, what: string): RuntimeError {
  return new RuntimeError("invalid-argument", `${label} is in the way of ${what} to copy`);
}

/** A directory of that name; one that is made takes the place of no other file, links included. */
async function directoryAt(
  parent: Directory,
  name: string | Buffer,
  { replaces }: CopyOptions,
): Promise<Directory> {
  const found = tolerateSync(() => parent.directory(name), errno("ENOENT", "ENOTDIR", "ELOOP"));
  if (found) return found;
  using existing = parent.find(name);
  if (existing && !replaces) throw inTheWay(existing, "a directory");
  await removeTree(parent, name);
  parent.makeDirectory(name, NEW_DIRECTORY);
  return parent.directory(name);
}

function describe(made: Handle, source: Handle, stats: Stats, options: CopyOptions): void {
  const own = options.keepsOwners ? { uid: stats.uid, gid: stats.gid } : { uid: 0, gid: 0 };
  const { uid, gid } = options.owner ?? own;
  made.chown(uid, gid);
  if (!stats.isSymbolicLink()) {
    const keepsRights = options.keepsRights !== false;
    made.chmod(options.mode ?? stats.mode & (keepsRights ? 0o7777 : 0o777));
    for (const [name, value] of source.attributes()) {
      if ((keepsRights && name === "security.capability") || name.startsWith("user.")) {
        if (!name.startsWith("user.overlay.")) made.setAttribute(name, value);
      }
    }
  }
  made.setTimes(stats.mtimeMs, stats.mtimeMs);
}
