import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { failedPrecondition, invalidArgument, notFound } from "../../../lib/errors.ts";
import { parseVolume } from "../record.ts";
import { sourceOf } from "../share.ts";
import type { Mounter } from "./mounter.ts";
import type { Operations } from "./operations.ts";
import { ShareContents } from "./share-contents.ts";

/**
 * Mounts a volume's directory at `target`. A mount follows links on the way to a directory: with
 * NFS 4 the client's kernel does, with NFS 3 the server. Here the directory is first looked up
 * without any, and what was mounted must be the same one. Throws NOT_FOUND for a volume or
 * directory that the share does not have.
 */
export async function mountVolume(
  mounter: Mounter,
  { share, mount, subDir, key, target }: Operations["publish"]["request"],
): Promise<null> {
  // lab:17 begin mount
  const source = sourceOf(share, subDir);
  using root = await mounter.open(share, "", mount);
  using directory = Directory.open(root.path);
  if (key !== undefined) requireVolume(new ShareContents(directory, share), key, subDir);
  if (subDir === "") {
    root.attach(target);
    return null;
  }
  using wanted = directory.find(subDir, { oneMount: true });
  if (!wanted) throw notFound(`the server has no directory ${source}`);
  using volume = await mounter.open(share, subDir, mount);
  using mounted = Directory.open(volume.path);
  const [a, b] = [wanted.stats(), mounted.stats()];
  if (!a.isDirectory()) throw failedPrecondition(`${source} is not a directory`);
  if (a.dev !== b.dev || wanted.inode() !== mounted.inode()) {
    throw failedPrecondition(`${source} is another directory than that of its name: a link?`);
  }
  volume.attach(target);
  return null;
  // lab:17 end
}

function requireVolume(share: ShareContents, key: string, subDir: string): void {
  const volume = share.read("volumes", key, parseVolume);
  if (volume?.state !== "ready") {
    throw notFound(`the share ${sourceOf(share.share)} has no volume ${key}`);
  }
  if (volume.subDir === subDir) return;
  throw invalidArgument(`volume_context.subDir is ${subDir}, the volume's is ${volume.subDir}`);
}
