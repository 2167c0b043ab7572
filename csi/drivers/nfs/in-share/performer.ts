import { statfsSync } from "node:fs";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { unmount } from "@raft2kube/linux/mount.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { failedPrecondition } from "../../../lib/errors.ts";
import type { Mounter } from "./mounter.ts";
import type { InShare, Performer } from "./operations.ts";
import { mountVolume } from "./publish.ts";
import { ShareContents } from "./share-contents.ts";
import { createSnapshot, deleteSnapshot } from "./snapshots.ts";
import { createVolume, deleteVolume, expandVolume, getVolume } from "./volumes.ts";

/** The operations of a process on the shares that `mounter` mounts. */
export function performerOf(mounter: Mounter): Performer {
  /** Mounts the share for one operation; nothing but this process ever sees the mount. */
  const within = async <R>(
    { share, mount }: InShare,
    act: (contents: ShareContents) => R | Promise<R>,
  ): Promise<R> => {
    using root = await mounter.open(share, "", mount);
    using directory = Directory.open(root.path);
    return await refusingLinks(() => act(new ShareContents(directory, share)));
  };
  return {
    createVolume: (request) => within(request, (share) => createVolume(share, request.volume)),
    getVolume: (request) => within(request, (share) => getVolume(share, request.key)),
    expandVolume: (request) => within(request, (share) => expandVolume(share, request)),
    deleteVolume: (request) => within(request, (share) => {
      return deleteVolume(share, request.key, mounter);
    }),
    createSnapshot: (request) => within(request, (share) => createSnapshot(share, request)),
    deleteSnapshot: (request) => within(request, (share) => deleteSnapshot(share, request.key)),
    publish: (request) => refusingLinks(() => mountVolume(mounter, request)),
    unmount: async ({ target, detach }) => {
      unmount(target, { detach });
      return null;
    },
    stats: async ({ path }) => {
      const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path);
      return {
        total_bytes: blocks * bsize,
        available_bytes: bavail * bsize,
        used_bytes: (blocks - bfree) * bsize,
        inodes: files,
        inodesFree: ffree,
      };
    },
  };
}

/** A link, file or mount point on the way to a directory was put there by others: refused. */
async function refusingLinks<R>(act: () => R | Promise<R>): Promise<R> {
  try {
    return await act();
  } catch (thrown) {
    if (!isErrno(thrown, "ELOOP", "EXDEV", "ENOTDIR")) throw thrown;
    throw failedPrecondition(`a link, file or mount point is in the way: ${messageOf(thrown)}`);
  }
}
