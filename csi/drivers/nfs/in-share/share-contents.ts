import { randomUUID } from "node:crypto";
import { closeSync, constants, fsyncSync, writeSync } from "node:fs";
import type { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { RECORD_BYTES_MAX } from "../limits.ts";
import type { Share } from "../share.ts";
import { META_DIR } from "../sub-dir.ts";

/**
 * The driver's directories in a share: records of volumes and snapshots, the directories that
 * volume names lead to, and content that is being made or removed.
 */
export type MetaKind = "volumes" | "names" | "snapshots" | "new" | "trash";

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * A mounted share, and the driver's own directory in it. Every path is looked up beneath the root
 * without following links, since what is in the volumes is their users'.
 */
export class ShareContents {
  readonly root: Directory;
  readonly share: Share;

  constructor(root: Directory, share: Share) {
    this.root = root;
    this.share = share;
  }

  /** One of the driver's directories, made where it is missing. Only root may look into them. */
  meta(kind: MetaKind): Directory {
    return this.root.makeDirectories(`${META_DIR}/${kind}`, 0o700, { oneMount: true });
  }

  /** The record with this key; undefined when there is none. */
  read<T>(kind: MetaKind, key: string, parse: (text: string, where: string) => T): T | undefined {
    const name = `${META_DIR}/${kind}/${key}.json`;
    const limits = { limit_bytes: RECORD_BYTES_MAX, oneMount: true };
    return tolerateSync(
      () => parse(this.root.readFile(name, limits).toString("utf8"), name),
      errno("ENOENT", "ENOTDIR"),
    );
  }

  /** Writes a record that was not there. False, and nothing is changed, when one is. */
  add(kind: MetaKind, key: string, record: object): boolean {
    using directory = this.meta(kind);
    const fresh = writeNew(directory, record);
    try {
      directory.makeLink(`${key}.json`, directory, fresh);
      return true;
    } catch (thrown) {
      if (!isErrno(thrown, "EEXIST")) throw thrown;
      return false;
    } finally {
      directory.remove(fresh);
    }
  }

  /** Replaces a record, whole: a reader sees the old or the new one. */
  replace(kind: MetaKind, key: string, record: object): void {
    using directory = this.meta(kind);
    directory.rename(writeNew(directory, record), directory, `${key}.json`);
  }

  /** Removes a record; one that is not there is fine. */
  forget(kind: MetaKind, key: string): void {
    using directory = this.meta(kind);
    tolerateSync(() => directory.remove(`${key}.json`), errno("ENOENT"));
  }
}

/** A server has the content when fsync(2) returns (RFC 8881, COMMIT). Returns the file's name. */
function writeNew(directory: Directory, record: object): string {
  const name = `.${randomUUID()}.new`;
  const fd = directory.open(name, CREATE, { mode: 0o600 });
  try {
    writeSync(fd, `${JSON.stringify(record)}\n`);
    fsyncSync(fd);
  } catch (thrown) {
    // Attempts in a full share are repeated without end.
    directory.remove(name);
    throw thrown;
  } finally {
    closeSync(fd);
  }
  return name;
}
