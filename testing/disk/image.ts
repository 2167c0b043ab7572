import { Folder } from "./folder.ts";
import type { Inode } from "./inode.ts";

/**
 * A disk's content, which outlives its member. Bytes are durable after a sync of their file, names
 * after a sync of the folder.
 */
export class DiskImage {
  readonly folder: Folder;
  /** The next sync of a file fails with this, and loses what it was for. */
  failNextSync: Error | undefined;

  constructor(folder = new Folder()) {
    this.folder = folder;
  }

  read(name: string): Buffer {
    return Buffer.from(this.folder.get(name).content);
  }

  /** Writes to a file; returns the error that the write meets. */
  write(inode: Inode, bytes: Buffer, offset: number): Error | null {
    inode.write(bytes, offset);
    return null;
  }

  /** Creates a file; returns the error that this meets. */
  create(name: string): { inode: Inode } | { error: Error } {
    return { inode: this.folder.create(name) };
  }

  /** Syncs a file; returns the error that the sync meets. */
  sync(inode: Inode): Error | null {
    const error = this.failNextSync ?? null;
    this.failNextSync = undefined;
    if (error) inode.syncFailed();
    else inode.sync();
    return error;
  }
}
