import { check, systemCall } from "../syscall/libc.ts";
import { AT_EMPTY_PATH, AT_FDCWD, O_CLOEXEC } from "../syscall/numbers.ts";

// Copies of mounts that no path leads to, their attributes, and their place in the tree.
const openTreeCall = systemCall(
  "long syscall(long number, long fd, const char *path, ulong flags)",
);
const setAttributesCall = systemCall(
  "long syscall(long number, long fd, const char *path, ulong flags, const void *attributes, " +
    "size_t size)",
);
const moveMountCall = systemCall(
  "long syscall(long number, long from_fd, const char *from, long fd, const char *target, " +
    "ulong flags)",
);
/** The same on every architecture: system calls from 424 on share one table. */
const SYS = { openTree: 428, moveMount: 429, mountSetattr: 442 } as const;
const AT_RECURSIVE = 0x8000;
const OPEN_TREE_CLONE = 1;
const MOVE_FROM_EMPTY_PATH = 4;
const MOVE_TO_SYMLINKS = 0x10;
const MOVE_TO_EMPTY_PATH = 0x40;

/** Attributes of a mount (mount_setattr(2)). */
export const MountAttribute = { readonly: 1, nosuid: 2, nodev: 4, noexec: 8 } as const;

/** A copy of the mount at `path` that no path leads to (open_tree(2)); the caller attaches it. */
export function cloneMount(path: string, { recursive }: { recursive: boolean }): number {
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  return check("open_tree", openTreeCall(SYS.openTree, AT_FDCWD, path, flags), path);
}

const MOUNT_ATTR_IDMAP = 0x100000;

/** Attributes that are set on a mount. */
export interface MountAttributes {
  set: number;
  propagation?: number;
  /** A descriptor of the user namespace by whose ids the mount shows and stores owners. */
  userNamespace?: number;
  recursive: boolean;
}

/**
 * Sets attributes and the propagation (MountFlag) of a detached mount, with `recursive` of all
 * beneath it too.
 */
export function setMountAttributes(
  fd: number,
  { set, propagation = 0, userNamespace, recursive }: MountAttributes,
): void {
  const attributes = Buffer.alloc(32);
  const idmap = userNamespace === undefined ? 0 : MOUNT_ATTR_IDMAP;
  attributes.writeBigUInt64LE(BigInt(set | idmap), 0);
  attributes.writeBigUInt64LE(BigInt(propagation), 16);
  attributes.writeBigUInt64LE(BigInt(userNamespace ?? 0), 24);
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  const size = attributes.length;
  const result = setAttributesCall(SYS.mountSetattr, fd, "", flags, attributes, size);
  check("mount_setattr", result, `attributes ${set}`);
}

/** Shows a detached mount at `target`; links there are followed, within this process's root. */
export function attachMount(fd: number, target: string): void {
  const flags = MOVE_FROM_EMPTY_PATH | MOVE_TO_SYMLINKS;
  check("move_mount", moveMountCall(SYS.moveMount, fd, "", AT_FDCWD, target, flags), target);
}

/** Shows a detached mount at the place of a descriptor. */
export function attachMountAt(fd: number, place: number): void {
  const flags = MOVE_FROM_EMPTY_PATH | MOVE_TO_EMPTY_PATH;
  check("move_mount", moveMountCall(SYS.moveMount, fd, "", place, "", flags), String(place));
}

/** The same as `cloneMount` for the place of a descriptor, without the mounts beneath it. */
export function cloneMountAt(place: number): number {
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH;
  return check("open_tree", openTreeCall(SYS.openTree, place, "", flags), String(place));
}
