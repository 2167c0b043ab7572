import { statfsSync } from "node:fs";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { failedPrecondition } from "../../../lib/errors.ts";
import { NO_DEVICES, NO_SYMLINKS } from "../mount-options.ts";
import type { Mounter } from "./mounter.ts";
import type { InShare, Performer } from "./operations.ts";
import { mountVolume } from "./publish.ts";
import { ShareContents } from "./share-contents.ts";
import { createSnapshot, deleteSnapshot } from "./snapshots.ts";
import { createVolume, deleteVolume, expandVolume, getVolume } from "./volumes.ts";

/** The operations of a process on the shares that `mounter` mounts. */
export function performerOf(mounter: Mounter): Performer {
  /**
   * Mounts the share for one operation; nothing but this process ever sees the mount. No link in it
   * is followed, also not by tar: a hostile server may show one in the place of a directory that
   * tar has just made. No device is opened, which would be the node's: a server may show one in the
   * place of an archive, of which tar looks through all of a disk for files to unpack.
   */
  const within = async <R>(
    { share, mount }: InShare,
    act: (contents: ShareContents) => R | Promise<R>,
  ): Promise<R> =>
    answering(async () => {
      const attributes = mount.attributes | NO_SYMLINKS | NO_DEVICES;
      using root = await mounter.open(share, "", { ...mount, attributes });
      using directory = Directory.open(root.path);
      return await act(new ShareContents(directory, share));
    });
  return {
    createVolume: (request) => within(request, (share) => createVolume(share, request.volume)),
    getVolume: (request) => within(request, (share) => getVolume(share, request.key)),
    expandVolume: (request) => within(request, (share) => expandVolume(share, request)),
    deleteVolume: (request) =>
      within(request, (share) => deleteVolume(share, request.key, mounter)),
    createSnapshot: (request) => within(request, (share) => createSnapshot(share, request)),
    deleteSnapshot: (request) => within(request, (share) => deleteSnapshot(share, request.key)),
    publish: (request) => answering(() => mountVolume(mounter, request)),
    unmount: async ({ target, detach }) => {
      unmount(target, { detach });
      return null;
    },
    stats: ({ path }) =>
      answering(async () => {
        const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path);
        return {
          total_bytes: blocks * bsize,
          available_bytes: bavail * bsize,
          used_bytes: (blocks - bfree) * bsize,
          inodes: files,
          inodesFree: ffree,
        };
      }),
  };
}

/** Errors of a soft mount whose server is away; ETIMEDOUT with `softerr`. */
const AWAY = ["EIO", "ETIMEDOUT"];

/**
 * Gives errors of a share their status. A link, file or mount point on the way to a directory was
 * put there by others: FAILED_PRECONDITION. A server that is away: UNAVAILABLE, because the caller
 * must repeat the call, which may have been carried out; INTERNAL would end it (CSI spec, "Error
 * Scheme").
 */
async function answering<R>(act: () => Promise<R>): Promise<R> {
  try {
    return await act();
  } catch (thrown) {
    if (isErrno(thrown, ...AWAY)) {
      const message = `${messageOf(thrown)}: the server is not reachable`;
      throw new RpcError(Status.UNAVAILABLE, message, { cause: thrown });
    }
    if (!isErrno(thrown, "ELOOP", "EXDEV", "ENOTDIR")) throw thrown;
    throw failedPrecondition(`a link, file or mount point is in the way: ${messageOf(thrown)}`);
  }
}
