import { bindMount, MountFlag, mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountOf } from "@raft2kube/linux/mount/mountinfo.ts";
import { internal } from "../../lib/errors.ts";
import type { VolumeContents } from "./volume-contents.ts";
import { openImage } from "./volume-image.ts";

/** Attributes that are set per mount and not per file system. */
const ATTRIBUTES = ["nosuid", "nodev", "noexec"] as const;

/**
 * Mounts `source` at `target`, with the flags of the capability. A bind mount takes its attributes
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

/** Mounts the file system of an image at `target`, with the flags of the capability. */
async function mountImage(file: string, target: string, flags: readonly string[]): Promise<void> {
  let bits = flags.includes("ro") ? MountFlag.readonly : 0;
  for (const attribute of ATTRIBUTES) if (flags.includes(attribute)) bits |= MountFlag[attribute];
  using mount = await openImage(file, bits);
  mount.attach(target);
}

/** Mounts the volume itself at `target`. Throws INTERNAL when it is missing. */
export async function mountVolume(
  contents: VolumeContents,
  id: string,
  target: string,
  flags: readonly string[],
): Promise<void> {
  const content = contents.pathOf("volumes", id);
  switch (await contents.formOf("volumes", id)) {
    case "image":
      return mountImage(content, target, flags);
    case "directory":
      return bind(content, target, flags);
    case undefined:
      throw internal(`the content of volume ${id} is missing from the disk`);
  }
}
