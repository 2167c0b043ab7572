import { check, libc, SystemCallError } from "../syscall/libc.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { MNT_DETACH } from "../syscall/numbers.ts";

/** Flags of mount(2) that we use (include/uapi/linux/mount.h). */
export const MountFlag = {
  readonly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  remount: 32,
  bind: 4096,
  recursive: 16384,
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
} as const;

const UMOUNT_NOFOLLOW = 8;

/** mount(2) takes at most a page of options. */
export const MOUNT_OPTIONS_BYTES = 4095;

/**
 * mount(2). `data` is the file system's option string. Throws SystemCallError with the errno's
 * name. The kernel cuts options at a page without a word, so longer ones are refused here with
 * E2BIG.
 */
export function mount(what: {
  source: string;
  target: string;
  type?: string;
  flags?: number;
  data?: string;
}): void {
  const { source, target, type = null, flags = 0, data = null } = what;
  const detail = `${type ?? "bind"} of ${source} on ${target}`;
  if (data !== null && Buffer.byteLength(data) > MOUNT_OPTIONS_BYTES) {
    throw new SystemCallError("mount", 7, `${detail}: ${Buffer.byteLength(data)} bytes of options`);
  }
  check("mount", libc.mount(source, target, type, flags, data), detail);
}

/** Bind-mounts a file or directory on one that exists. */
export function bindMount(source: string, target: string, flags = 0): void {
  mount({ source, target, flags: MountFlag.bind | flags });
}

/**
 * umount2(2) without following a link at the end; false when nothing is mounted there. With
 * `detach` the mount leaves the tree immediately and ends when its last user does.
 */
export function unmount(target: string, options: { detach?: boolean } = {}): boolean {
  const flags = UMOUNT_NOFOLLOW | (options.detach ? MNT_DETACH : 0);
  try {
    check("umount2", libc.umount2(target, flags), target);
    return true;
  } catch (error) {
    if (isErrno(error, "EINVAL", "ENOENT")) return false;
    throw error;
  }
}
