import { mkdir } from "node:fs/promises";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { MountFlag, mount, unmountAside } from "@raft2kube/linux/mount/mount.ts";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import type { TearDownRequest } from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";

/**
 * Mounts a tmpfs at `dir`, so that secrets are never on disk, in swap included where the kernel can
 * (Linux 6.4). `options` are tmpfs's (`size=1048576`). Does nothing when it is one already.
 */
export async function mountMemory(dir: string, options: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  if (isMountPoint(dir)) return;
  const flags = MountFlag.nosuid | MountFlag.nodev;
  const memory = { source: "tmpfs", target: dir, type: "tmpfs", flags };
  try {
    mount({ ...memory, data: `noswap,${options}` });
  } catch (thrown) {
    // An older kernel, one without swap, or a user namespace.
    if (!isErrno(thrown, "EINVAL")) throw thrown;
    mount({ ...memory, data: options });
  }
}

/**
 * Removes a directory and its contents, after unmounting what the kubelet mounted on `dir` itself.
 * A mount further down (`inside`) is another volume's data: throws StillMounted and removes
 * nothing.
 */
export async function removeVolumeDir({ dir, inside, owner }: TearDownRequest): Promise<void> {
  while (isMountPoint(dir)) await unmountAside(dir, { owner });
  if (inside) throw new VolumeError("StillMounted", `${inside} is still mounted`);
  await removePath(dir, owner);
}
