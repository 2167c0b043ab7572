import { lstatSync, type Stats } from "node:fs";
import { FileType, makeNode, setAttribute } from "@raft2kube/linux/special-file.ts";
import { inUserNamespace, readMappedIds } from "@raft2kube/linux/user-namespace.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

const WHITEOUT_PREFIX = ".wh.";
const OPAQUE_NAME = ".wh..wh..opq";

/** What an entry's last name means in a layer (OCI image spec, layer.md, whiteouts). */
export function whiteoutOf(
  name: string,
): { kind: "none" } | { kind: "opaque" } | { kind: "hide"; name: string } {
  if (name === OPAQUE_NAME) return { kind: "opaque" };
  if (!name.startsWith(WHITEOUT_PREFIX)) return { kind: "none" };
  return { kind: "hide", name: name.slice(WHITEOUT_PREFIX.length) };
}

/** overlayfs: what lower layers have in this directory is not seen. */
export function makeOpaque(directory: string): void {
  const space = inUserNamespace(readMappedIds()) ? "user" : "trusted";
  setAttribute(directory, `${space}.overlay.opaque`, Buffer.from("y"));
}

/** overlayfs: the name is gone, whatever lower layers have. */
export function makeWhiteout(file: string): void {
  makeNode(file, FileType.character, 0, 0);
}

/** Whether a file is overlayfs' mark of a removed name: the device 0:0. */
export function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}

/** lstat, or undefined when there is nothing. */
export function statOrNothing(file: string): Stats | undefined {
  try {
    return lstatSync(file);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}
