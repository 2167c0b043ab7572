import {
  close,
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  open,
  openSync,
  readdirSync,
  readFileSync,
  rename,
  unlink,
  unlinkSync,
  write,
  writeSync,
} from "node:fs";
import { join } from "node:path";

export type Done = (error: Error | null) => void;

/** A file of the log, open for writing at any place. */
export interface DiskFile {
  readonly name: string;
  write(bytes: Buffer, offset: number, done: Done): void;
  /** Makes everything written durable. */
  sync(done: Done): void;
  /**
   * Where the disk can: writes, and makes these bytes durable, in one call instead of two. A call
   * is a trip to another thread and back.
   */
  writeSynced?(bytes: Buffer, offset: number, done: Done): void;
  /**
   * Where the disk can: writes a few bytes into the machine's memory, from which they go to the
   * disk in its own time. No trip to another thread. Throws.
   */
  writeCached?(bytes: Buffer, offset: number): void;
  close(done: Done): void;
}

/**
 * The folder of the log, as an argument, so that a simulator can lose, tear and corrupt.
 * Reading happens only at start and is synchronous; everything later is not.
 */
export interface Disk {
  list(): string[];
  read(name: string): Buffer;
  /**
   * Cuts a file at `offset` and fills it with zeros up to `size`; makes it durable, with all that
   * stays. At start only.
   */
  cutSync(name: string, offset: number, size: number): void;
  removeSync(name: string): void;
  /** Opens for writing; with `create` a new file, its name durable before `done`. */
  open(name: string, create: boolean, done: (error: Error | null, file?: DiskFile) => void): void;
  rename(from: string, to: string, done: Done): void;
  remove(name: string, done: Done): void;
  /** Makes names durable. */
  syncFolder(done: Done): void;
}

/** The disk of the machine. Makes the folder when it is not there, readable by its owner alone. */
export function machineDisk(folder: string): Disk {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = (name: string) => join(folder, name);
  const syncFolder = (done: Done) => {
    open(folder, "r", (error, fd) => {
      if (error) return done(error);
      fsync(fd, (failed) => close(fd, (unclosed) => done(failed ?? unclosed)));
    });
  };
  return {
    list: () => readdirSync(folder).sort(),
    read: (name) => readFileSync(path(name)),
    cutSync: (name, offset, size) =>
      withFile(path(name), (fd) => {
        ftruncateSync(fd, offset);
        ftruncateSync(fd, size);
        fdatasyncSync(fd);
      }),
    removeSync: (name) => {
      unlinkSync(path(name));
      withFile(folder, fsyncSync, "r");
    },
    open: (name, create, done) => {
      open(path(name), create ? "wx" : "r+", 0o600, (error, fd) => {
        if (error) return done(error);
        open(path(name), SYNCED, (unopened, syncedFd) => {
          if (unopened) return close(fd, () => done(unopened));
          const file = machineFile(name, fd, syncedFd);
          if (!create) return done(null, file);
          syncFolder((failed) => (failed ? done(failed) : done(null, file)));
        });
      });
    },
    rename: (from, to, done) => rename(path(from), path(to), done),
    remove: (name, done) => unlink(path(name), done),
    syncFolder,
  };
}

/** Each write is durable when it returns, as by fdatasync (open(2)). */
const SYNCED = constants.O_RDWR | constants.O_DSYNC;

const machineFile = (name: string, fd: number, syncedFd: number): DiskFile => ({
  name,
  write: (bytes, offset, done) => writeAll(fd, bytes, offset, done),
  sync: (done) => fdatasync(fd, done),
  writeSynced: (bytes, offset, done) => writeAll(syncedFd, bytes, offset, done),
  writeCached: (bytes, offset) => void writeSync(fd, bytes, 0, bytes.length, offset),
  close: (done) => close(fd, (error) => close(syncedFd, (failed) => done(error ?? failed))),
});

function writeAll(fd: number, bytes: Buffer, offset: number, done: Done): void {
  write(fd, bytes, 0, bytes.length, offset, (error, written) => {
    if (error) return done(error);
    if (written === bytes.length) return done(null);
    writeAll(fd, bytes.subarray(written), offset + written, done);
  });
}

function withFile(path: string, act: (fd: number) => void, flags = "r+"): void {
  const fd = openSync(path, flags);
  try {
    act(fd);
  } finally {
    closeSync(fd);
  }
}
