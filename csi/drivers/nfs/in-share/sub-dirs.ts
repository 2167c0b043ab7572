import type { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { alreadyExists, resourceExhausted } from "../../../lib/errors.ts";
import { RECORDS_MAX } from "../limits.ts";
import { parseVolume } from "../record.ts";
import { directoriesAbove } from "../sub-dir.ts";
import { keyOf } from "../volume-id.ts";
import type { NewVolume } from "./operations.ts";
import type { ShareContents } from "./share-contents.ts";

const PARENT_MODE = 0o755;
/** Prefix of the names of archives, directories that `onDelete: archive` keeps. */
const ARCHIVED = "archived-";

/** The directory that a volume's is in, made where it is missing, and the volume's own name. */
export function parentOf(
  { root }: ShareContents,
  subDir: string,
): { parent: Directory; last: string } {
  const at = subDir.lastIndexOf("/");
  const above = at < 0 ? "." : subDir.slice(0, at);
  const parent = root.makeDirectories(above, PARENT_MODE, { oneMount: true });
  return { parent, last: subDir.slice(at + 1) };
}

/**
 * Checks that a new volume may have its directory. No volume is within another: a user of the outer
 * one would see the inner, and could put a link in its place. A directory that is there already is
 * taken over only if the class does not delete it later, and is no archive of another volume, nor
 * within one.
 */
export function claimDirectory(share: ShareContents, volume: NewVolume): void {
  const { subDir, onDelete, source } = volume;
  for (const above of directoriesAbove(subDir)) {
    if (isArchive(above)) throw alreadyExists(`directory ${subDir} is within an archive: ${above}`);
    const outer = share.read("volumes", keyOf(above), parseVolume);
    if (outer) throw alreadyExists(`directory ${subDir} is within that of volume ${outer.name}`);
  }
  using found = share.root.find(subDir, { oneMount: true });
  if (!found) return;
  if (isArchive(subDir)) {
    throw alreadyExists(
      `directory ${subDir} is in the share already, an archive of a deleted volume: ` +
        "use another subDir",
    );
  }
  requireNothingBeneath(share, subDir);
  if (onDelete !== "delete" && !source) return;
  const why = source ? "it cannot receive a copy" : "deleting the volume would delete its files";
  throw alreadyExists(
    `directory ${subDir} is in the share already, and not of a volume: ${why}; ` +
      "use another subDir, or onDelete: retain",
  );
}

function isArchive(directory: string): boolean {
  return directory.slice(directory.lastIndexOf("/") + 1).startsWith(ARCHIVED);
}

function requireNothingBeneath(share: ShareContents, subDir: string): void {
  using volumes = share.meta("volumes");
  let read = 0;
  for (const name of volumes.names()) {
    const key = /^([0-9a-f]+)\.json$/.exec(name.toString("latin1"))?.[1];
    if (key === undefined) continue;
    if (++read > RECORDS_MAX) {
      throw resourceExhausted(`the share has more than ${RECORDS_MAX} volumes`);
    }
    const inner = share.read("volumes", key, parseVolume);
    if (!inner?.subDir.startsWith(`${subDir}/`)) continue;
    throw alreadyExists(`directory ${subDir} has that of volume ${inner.name} in it`);
  }
}

/** How many archives of one directory get a number after their name. */
const ARCHIVES_MAX = 10_000;

/** Renames a volume's directory to `archived-NAME`, or the next free `archived-NAME.N`. */
export function archiveDirectory(share: ShareContents, subDir: string): void {
  const { parent, last } = parentOf(share, subDir);
  using directory = parent;
  if (!exists(directory, last)) return;
  for (let i = 0; i < ARCHIVES_MAX; i++) {
    const name = `${ARCHIVED}${last}${i === 0 ? "" : `.${i}`}`;
    if (exists(directory, name)) continue;
    directory.rename(last, directory, name);
    return;
  }
  throw resourceExhausted(`${subDir} was archived ${ARCHIVES_MAX} times: move archives away`);
}

function exists(directory: Directory, name: string): boolean {
  using found = directory.find(name);
  return found !== undefined;
}

/** Removes the directories above a volume's that are empty now, from the nearest up. */
export function removeEmptyParents({ root }: ShareContents, subDir: string): void {
  for (const above of directoriesAbove(subDir).toReversed()) {
    const at = above.lastIndexOf("/");
    try {
      using parent = root.directory(at < 0 ? "." : above.slice(0, at), { oneMount: true });
      parent.remove(above.slice(at + 1), { directory: true });
    } catch (thrown) {
      if (isErrno(thrown, "ENOTEMPTY", "EEXIST", "ENOENT", "EBUSY")) return;
      throw thrown;
    }
  }
}
