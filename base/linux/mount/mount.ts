import { closeSync, constants, openSync } from "node:fs";
import { errno, succeeds, tolerateSync } from "@raft2kube/std/errors.ts";
import { closeAside } from "../file/aside.ts";
import { check, libc, SystemCallError } from "../syscall/libc.ts";
import { MNT_DETACH, O_PATH } from "../syscall/numbers.ts";
import { step } from "../syscall/steps.ts";
import { cloneMountAt } from "./mount-tree.ts";

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
  step(() => mountCommand({ source, target, type, flags, data }));
  check("mount", libc.mount(source, target, type, flags, data), detail);
}

const PROPAGATIONS = ["unbindable", "private", "slave", "shared"] as const;
const OPTIONS = [
  ["remount", 32],
  ["bind", 4096],
  ["ro", 1],
  ["nosuid", 2],
  ["nodev", 4],
  ["noexec", 8],
] as const;

/** The mount(8) of a mount. */
export function mountCommand({
  source,
  target,
  type = null,
  flags = 0,
  data = null,
}: {
  source: string;
  target: string;
  type?: string | null;
  flags?: number;
  data?: string | null;
}): string[] {
  const recursive = (flags & MountFlag.recursive) === 0 ? "" : "r";
  const propagation = PROPAGATIONS.find((name) => (flags & MountFlag[name]) !== 0);
  if (propagation) return ["mount", `--make-${recursive}${propagation}`, target];
  const isBind = (flags & (MountFlag.bind | MountFlag.remount)) === MountFlag.bind;
  const set = OPTIONS.filter(([name, flag]) => {
    return (flags & flag) !== 0 && !(isBind && name === "bind");
  });
  const options = [...set.map(([name]) => name), ...(data ? [data] : [])].join(",");
  return [
    "mount",
    ...(isBind ? [`--${recursive}bind`] : type === null ? [] : ["-t", type]),
    ...(options ? ["-o", options] : []),
    source,
    target,
  ];
}

/** Bind-mounts a file or directory on one that exists. */
export function bindMount(source: string, target: string): void {
  mount({ source, target, flags: MountFlag.bind });
}

/**
 * umount2(2) without following a link at the end; false when nothing is mounted there. With
 * `detach` the mount leaves the tree immediately and ends when its last user does.
 */
export function unmount(target: string, options: { detach?: boolean } = {}): boolean {
  const flags = UMOUNT_NOFOLLOW | (options.detach ? MNT_DETACH : 0);
  return succeeds(
    () => {
      check("umount2", libc.umount2(target, flags), target);
      step(() => ["umount", ...(options.detach ? ["-l"] : []), target]);
    },
    errno("EINVAL", "ENOENT"),
  );
}

/**
 * The same for a file system that pods fill: with its last mount the kernel frees all that it knows
 * of it in memory, seconds for a million files, here in another thread. The mount is gone
 * immediately, the file system when the promise resolves. For `owner` see `closeAside`.
 */
export async function unmountAside(
  target: string,
  options: { detach?: boolean; owner?: string | undefined } = {},
): Promise<boolean> {
  const copy = copyOf(target);
  try {
    return unmount(target, options);
  } finally {
    if (copy !== undefined) await closeAside(copy, options.owner);
  }
}

/** Another mount of what is mounted at `target`; undefined without it, or before Linux 5.2. */
function copyOf(target: string): number | undefined {
  return tolerateSync(
    () => {
      const place = openSync(target, O_PATH | constants.O_NOFOLLOW);
      try {
        return cloneMountAt(place);
      } finally {
        closeSync(place);
      }
    },
    errno("ENOENT", "ENOTDIR", "EINVAL", "ENOSYS", "EPERM"),
  );
}
