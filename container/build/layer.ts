import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import type { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { tarOfTree } from "@raft2kube/runtime/image/tar/tree.ts";
import { LAYER_UNPACKED_BYTES } from "@raft2kube/runtime/limits.ts";
import { given } from "@raft2kube/std/given.ts";

/** A layer in the store: its blob is the plain tar, so that the blob's digest is the diff id. */
export type MadeLayer = { diffId: string; size: number; entries: number };

/**
 * Files that a runtime mounts into every container, and makes where an image lacks them: no part of
 * what the container wrote.
 */
const MANAGED = (
  "etc/hosts etc/hostname etc/resolv.conf dev/console dev/pts dev/shm dev/mqueue " +
  "sbin/docker-init .dockerenv"
).split(" ");

export function isManaged(place: string): boolean {
  return MANAGED.includes(place) || /^(proc|sys|dev|run\/secrets)\//.test(place);
}

/** Two blocks of zeros: a tar of nothing. */
const EMPTY_TAR_BYTES = 1024;

/**
 * Stores what an upper directory of overlayfs holds as a layer's tar; undefined when it holds
 * nothing. Call it within `receive`.
 */
export async function storeLayer(
  images: ImageStore,
  upper: string,
  { latest_ms, keepsManaged }: { latest_ms?: number | undefined; keepsManaged?: boolean } = {},
): Promise<MadeLayer | undefined> {
  using root = Directory.open(upper);
  let entries = 0;
  const count = (place: string) => {
    entries++;
    return !keepsManaged && isManaged(place);
  };
  const tar = tarOfTree(root, { ...given({ latest_ms }), isLayer: true, leaveOut: count });
  const source = tar as AsyncIterable<Buffer>;
  const limit_bytes = LAYER_UNPACKED_BYTES;
  const { digest, size } = await images.blobs.receive(source, { limit_bytes });
  return size <= EMPTY_TAR_BYTES ? undefined : { diffId: digest, size, entries };
}
