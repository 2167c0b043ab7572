import { chmod, lchown, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";

const DIRECTORY_BITS = 0o2110;

/**
 * Gives a volume's files to the pod's fsGroup: group ownership, group access, and directories that
 * pass their group on. Links are not followed. Source: the API's words on `fsGroup`.
 */
export async function applyFsGroup(
  path: string,
  fsGroup: number | undefined,
  readOnly: boolean,
): Promise<void> {
  if (fsGroup === undefined) return;
  const { uid, mode } = await lstat(path);
  const isLink = (mode & 0o170000) === 0o120000;
  const isDirectory = (mode & 0o170000) === 0o040000;
  try {
    await lchown(path, uid, fsGroup);
  } catch (cause) {
    if (!isErrno(cause, "EINVAL")) throw cause;
    throw new Error(`fsGroup ${fsGroup} is not mapped in this user namespace`, { cause });
  }
  if (isLink) return;
  const access = readOnly ? 0o440 : 0o660;
  await chmod(path, (mode & 0o7777) | access | (isDirectory ? DIRECTORY_BITS : 0));
  if (!isDirectory) return;
  for (const name of await readdir(path)) await applyFsGroup(join(path, name), fsGroup, readOnly);
}
