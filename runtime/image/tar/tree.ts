import { closeSync, constants, readSync, type Stats } from "node:fs";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import type { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { splitDeviceNumber } from "@raft2kube/linux/file/special-file.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { isWhiteout } from "../whiteout.ts";
import type { TarType } from "./header.ts";
import { headersOf, paddingOf, type TarFields, tarEnd } from "./write.ts";

const CHUNK_BYTES = 1 << 20;
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

export interface TreeOptions {
  /**
   * Whether overlayfs's marks become the image spec's whiteouts: the tree is an upper directory.
   */
  isLayer?: boolean;
  /** The latest time of change that an entry has. */
  latest_ms?: number;
  /** Names beneath the root, in latin1, that are left out. */
  leaveOut?: (place: string) => boolean;
  /** Owner of all entries, in place of their own. */
  owner?: { uid: number; gid: number };
}

interface Walk extends TreeOptions {
  links: Map<string, Buffer>;
  slices: Slices;
}

function typeOf(stats: Stats): TarType | undefined {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isFIFO()) return "fifo";
  if (stats.isCharacterDevice()) return "character-device";
  return stats.isBlockDevice() ? "block-device" : undefined;
}

/** Attributes that belong to the file itself: not overlayfs's, nor the machine's. */
function attributesOf(handle: Handle): Record<string, Buffer> {
  const kept = [...handle.attributes()].filter(
    ([name]) =>
      name === "security.capability" || (/^user\./.test(name) && !/^user\.overlay\./.test(name)),
  );
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function entryOf(walk: Walk, handle: Handle, stats: Stats, name: Buffer, type: TarType): TarFields {
  const mtime_ms = Math.min(stats.mtimeMs, walk.latest_ms ?? Infinity);
  const { major, minor } = splitDeviceNumber(stats.rdev);
  const attributes = type === "symlink" ? {} : attributesOf(handle);
  return {
    name: type === "directory" ? Buffer.concat([name, Buffer.from("/")]) : name,
    type,
    mode: stats.mode & 0o7777,
    uid: walk.owner?.uid ?? stats.uid,
    gid: walk.owner?.gid ?? stats.gid,
    mtime: new Date(mtime_ms),
    attributes,
    ...(type === "symlink" && { linkname: handle.readLink() }),
    ...(/device$/.test(type) && { devmajor: major, devminor: minor }),
  };
}

function isOpaque(handle: Handle): boolean {
  const attributes = handle.attributes();
  return ["trusted", "user"].some((space) => {
    return attributes.get(`${space}.overlay.opaque`)?.toString() === "y";
  });
}

async function* contentOf(handle: Handle, size: number, slices: Slices): AsyncGenerator<Buffer> {
  const fd = handle.reopen(constants.O_RDONLY);
  try {
    let at = 0;
    while (at < size) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - at));
      const read = readSync(fd, chunk, 0, chunk.length, at);
      // One that became shorter meanwhile is filled up: its header is written.
      if (read === 0) chunk.fill(0);
      at += read || chunk.length;
      yield read === 0 ? chunk : chunk.subarray(0, read);
      if (slices.due) await slices.pause();
    }
  } finally {
    closeSync(fd);
  }
}

/** One entry, with its content if it is a file that has had no other name. */
async function* single(walk: Walk, handle: Handle, name: Buffer): AsyncGenerator<Uint8Array> {
  const stats = handle.stats();
  const type = typeOf(stats);
  // Sockets are left out: they belong to processes.
  if (type === undefined) return;
  const entry = entryOf(walk, handle, stats, name, type);
  const isLinked = type !== "directory" && stats.nlink > 1;
  const inode = isLinked ? `${stats.dev} ${handle.inode()}` : undefined;
  const first = inode && walk.links.get(inode);
  if (first) {
    yield* headersOf({ ...entry, type: "link", linkname: first, attributes: {} }, 0);
    return;
  }
  if (inode) walk.links.set(inode, name);
  yield* headersOf(entry, type === "file" ? stats.size : 0);
  if (type !== "file") return;
  yield* contentOf(handle, stats.size, walk.slices);
  yield paddingOf(stats.size);
}

async function* below(
  walk: Walk,
  directory: Directory,
  prefix: string,
): AsyncGenerator<Uint8Array> {
  const names = [...directory.names()].sort(Buffer.compare);
  for (const name of names) {
    const place = prefix + name.toString("latin1");
    if (walk.leaveOut?.(place)) continue;
    using handle = directory.find(name);
    if (handle === undefined) continue;
    if (walk.isLayer && isWhiteout(handle)) {
      const hidden = Buffer.from(`${prefix}${WHITEOUT}${name.toString("latin1")}`, "latin1");
      yield* headersOf({ name: hidden, mode: 0, mtime: new Date(0) }, 0);
      continue;
    }
    yield* single(walk, handle, Buffer.from(place, "latin1"));
    if (!handle.stats().isDirectory()) continue;
    if (walk.isLayer && isOpaque(handle)) {
      const mark = Buffer.from(`${place}/${OPAQUE}`, "latin1");
      yield* headersOf({ name: mark, mode: 0, mtime: new Date(0) }, 0);
    }
    using inner = directory.directory(name);
    yield* below(walk, inner, `${place}/`);
  }
}

/**
 * A directory's content as a tar, in the order of names, with owners, modes, times in seconds, hard
 * links and extended attributes: the same content gives the same bytes.
 */
export async function* tarOfTree(
  root: Directory,
  options: TreeOptions = {},
): AsyncGenerator<Uint8Array> {
  const walk: Walk = { ...options, links: new Map(), slices: new Slices() };
  yield* below(walk, root, "");
  yield tarEnd();
}

/** A single file as a tar, as `tarOfTree` has those of a directory. */
export async function* tarOfFile(
  handle: Handle,
  name: string,
  options: Omit<TreeOptions, "isLayer" | "leaveOut"> = {},
): AsyncGenerator<Uint8Array> {
  yield* single({ ...options, links: new Map(), slices: new Slices() }, handle, Buffer.from(name));
  yield tarEnd();
}
