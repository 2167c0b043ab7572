import { MountFlag, bindMount, mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountOf } from "@raft2kube/linux/mount/mountinfo.ts";
import { openImage } from "./volume-image.ts";

/** Attributes that are set per mount and not per file system. */
const ATTRIBUTES = ["nosuid", "nodev", "noexec"] as const;

/**
 * Shows `source` at `target`, with the flags of the capability. A bind mount takes its attributes
 * only by a second mount call; when that fails nothing stays mounted.
 */
export function bind(source: string, target: string, flags: readonly string[]): void {
  bindMount(source, target);
  const wanted = new Set([...(mountOf(target)?.options ?? []), ...flags]);
  let bits = wanted.has("ro") ? MountFlag.readonly : 0;
  for (const attribute of ATTRIBUTES) if (wanted.has(attribute)) bits |= MountFlag[attribute];
  if (bits === 0) return;
  try {
    mount({ source, target, flags: MountFlag.bind | MountFlag.remount | bits });
  } catch (thrown) {
    unmount(target);
    throw thrown;
  }
}

/** Shows the file system of an image at `target`, with the flags of the capability. */
export async function showImage(
  file: string,
  target: string,
  flags: readonly string[],
): Promise<void> {
  let bits = flags.includes("ro") ? MountFlag.readonly : 0;
  for (const attribute of ATTRIBUTES) if (flags.includes(attribute)) bits |= MountFlag[attribute];
  using mount = await openImage(file, bits);
  mount.attach(target);
}
