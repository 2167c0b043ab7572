import type { Directory } from "@raft2kube/linux/beneath/directory.ts";
import type { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { FileType } from "@raft2kube/linux/file/special-file.ts";
import { inUserNamespace, readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { refuse } from "./place.ts";
import type { TarHeader } from "./tar/header.ts";

const PREFIX = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** Prefix of names that AUFS kept for itself; they are no part of the image. */
const AUFS_PREFIX = ".wh..wh.";

type Whiteout = { kind: "none" } | { kind: "ignore" } | { kind: "opaque" } | HideName;
type HideName = { kind: "hide"; name: Buffer };

/**
 * The meaning of an entry's last name in a layer (OCI image spec, layer.md, whiteouts): `.wh.NAME`
 * hides a name, `.wh..wh..opq` all that lower layers have in the folder. Others that start with
 * `.wh..wh.` are ignored; a whiteout of no name, of `.` or `..` is refused.
 */
export function whiteoutOf(header: TarHeader, last: Buffer): Whiteout {
  // lab:01b begin whiteout-of
  const name = last.toString("latin1");
  if (!name.startsWith(PREFIX)) return { kind: "none" };
  if (name === OPAQUE) return { kind: "opaque" };
  if (name.startsWith(AUFS_PREFIX)) return { kind: "ignore" };
  const hidden = name.slice(PREFIX.length);
  if (["", ".", ".."].includes(hidden)) throw refuse(header, "is a whiteout of no name");
  return { kind: "hide", name: Buffer.from(hidden, "latin1") };
  // lab:01b end
}

/**
 * Hides what lower layers have of a name. If the layer itself has brought it, it stays, and in a
 * folder only what lower layers have is hidden.
 */
export function hide(parent: Directory, name: Buffer): void {
  // lab:01b begin hide
  using found = parent.find(name);
  if (found === undefined) makeWhiteout(parent, name);
  else if (found.stats().isDirectory()) makeOpaque(found);
  // lab:01b end
}

/** overlayfs: what lower layers have in this directory is not seen. */
export function makeOpaque(directory: Handle): void {
  const space = inUserNamespace(readMappedIds()) ? "user" : "trusted";
  directory.setAttribute(`${space}.overlay.opaque`, Buffer.from("y"));
}

/** Makes overlayfs' whiteout: the name is gone, even if lower layers have it. */
function makeWhiteout(parent: Directory, name: Buffer): void {
  parent.makeNode(name, FileType.character);
}

/** Whether a file is overlayfs' mark of a removed name: the device 0:0. */
export function isWhiteout(handle: Handle): boolean {
  const stats = handle.stats();
  return stats.isCharacterDevice() && stats.rdev === 0;
}
