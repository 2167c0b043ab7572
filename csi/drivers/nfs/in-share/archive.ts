import { spawn } from "node:child_process";
import { closeSync, constants, fsyncSync } from "node:fs";
import type { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { failedPrecondition, internal, notFound, resourceExhausted } from "../../../lib/errors.ts";
import { PROGRAM_OUTPUT_BYTES_MAX, TAR_MEMORY_KIB_MAX } from "../limits.ts";
import type { ShareContents } from "./share-contents.ts";

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** GNU tar: some files changed while they were read. The archive is whole. */
const SOME_FILES_DIFFER = 1;

/**
 * Flags for the attributes that an archive keeps of a file; those of the system are not the users'.
 */
const KEPT = ["--numeric-owner", "--acls", "--xattrs", "--xattrs-include=user.*"];

/**
 * Writes the content of a directory to `<key>.tar` among the snapshots, whole at its return. GNU
 * tar opens every name without following links, and does not leave the file system. An attempt
 * that fails leaves nothing.
 */
export async function writeArchive(
  share: ShareContents,
  key: string,
  content: Directory,
  signal: AbortSignal,
): Promise<void> {
  using snapshots = share.meta("snapshots");
  const fresh = freshName(key);
  await removeTree(snapshots, fresh);
  try {
    const fd = snapshots.open(fresh, CREATE, { mode: 0o600 });
    try {
      const what = ["--create", "--one-file-system", "--sparse", "--file=-", "."];
      await tar([...KEPT, ...what], content, { output: fd }, signal);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    snapshots.rename(fresh, snapshots, archiveName(key));
  } catch (thrown) {
    await removeTree(snapshots, fresh);
    throw thrown;
  }
}

/**
 * Unpacks a snapshot into an empty directory that no other process uses. An archive that is no
 * regular file is FAILED_PRECONDITION: open(2) of a fifo would block this thread, with its timers.
 */
export async function extractSnapshot(
  share: ShareContents,
  key: string,
  content: Directory,
  signal: AbortSignal,
): Promise<void> {
  using snapshots = share.meta("snapshots");
  using archive = snapshots.find(archiveName(key), { oneMount: true });
  if (!archive) throw notFound(`the archive of snapshot ${key} is missing from the share`);
  if (!archive.stats().isFile()) {
    throw failedPrecondition(`the archive of snapshot ${key} is no regular file in the share`);
  }
  const fd = archive.reopen(constants.O_RDONLY);
  try {
    const what = ["--extract", "--preserve-permissions", "--same-owner", "--file=-"];
    await tar([...KEPT, ...what], content, { input: fd }, signal);
  } finally {
    closeSync(fd);
  }
}

/** Removes the archive of a snapshot, also an unfinished one; one that is not there is fine. */
export async function removeArchive(share: ShareContents, key: string): Promise<void> {
  using snapshots = share.meta("snapshots");
  await removeTree(snapshots, archiveName(key));
  await removeTree(snapshots, freshName(key));
}

const freshName = (key: string): string => `.${key}.tar.new`;

const archiveName = (key: string): string => `${key}.tar`;

/**
 * Runs tar in a directory, with a bounded memory. It ends with this process's group, which the
 * driver ends.
 */
function tar(
  args: readonly string[],
  directory: Directory,
  { input, output }: { input?: number; output?: number },
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const bounded = `ulimit -v ${TAR_MEMORY_KIB_MAX} && exec tar "$@"`;
    const child = spawn("/bin/sh", ["-c", bounded, "tar", ...args], {
      cwd: `/proc/${process.pid}/fd/${directory.fd}`,
      stdio: [input ?? "ignore", output ?? "ignore", "pipe"],
      signal,
      killSignal: "SIGKILL",
    });
    let said = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      if (said.length < PROGRAM_OUTPUT_BYTES_MAX) said += text;
    });
    child.on("error", (thrown) => reject(internal(`tar: ${thrown.message}`)));
    child.on("close", (status) => {
      const isDone = status === 0 || (status === SOME_FILES_DIFFER && output !== undefined);
      if (isDone) return resolve();
      const text = `tar ended with status ${status}: ${said.trim()}`;
      const isFull = /No space left on device|Disk quota exceeded/.test(said);
      reject(isFull ? resourceExhausted(text) : internal(text));
    });
  });
}
