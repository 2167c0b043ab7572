import type { Disk, DiskFile, Done } from "@raft2kube/store/wal/disk.ts";
import type { DiskImage } from "./image.ts";
import type { Inode } from "./inode.ts";

/** Asynchronous operations of a disk, one at a time. */
export type Operation =
  | "open"
  | "create"
  | "write"
  | "sync"
  | "close"
  | "rename"
  | "remove"
  | "sync folder";

/**
 * The log's disk over an image. When an operation takes place is the subclass's to decide. The
 * methods are properties, so that a mutant can replace some of them in a copy.
 */
export abstract class ScheduledDisk implements Disk {
  readonly image: DiskImage;

  constructor(image: DiskImage) {
    this.image = image;
  }

  /** Performs `act` when the operation's time has come, then reports its result. */
  protected abstract schedule<T>(
    operation: Operation,
    act: () => T,
    report: (result: T) => void,
  ): void;

  readonly list = (): string[] => [...this.image.folder.names.keys()].sort();

  readonly read = (name: string): Buffer => this.image.read(name);

  readonly cutSync = (name: string, offset: number, size: number): void => {
    this.image.folder.get(name).cut(offset, size);
  };

  readonly removeSync = (name: string): void => {
    this.image.folder.remove(name);
    this.image.folder.sync();
  };

  readonly open = (
    name: string,
    create: boolean,
    done: (error: Error | null, file?: DiskFile) => void,
  ): void => {
    if (!create) {
      const open = () => this.#file(name, this.image.folder.get(name));
      return this.schedule("open", open, (file) => done(null, file));
    }
    this.schedule(
      "create",
      () => this.image.create(name),
      (made) => {
        if ("error" in made) return done(made.error);
        this.syncFolder((error) => done(error, this.#file(name, made.inode)));
      },
    );
  };

  readonly rename = (from: string, to: string, done: Done): void => {
    this.schedule(
      "rename",
      () => this.image.folder.rename(from, to),
      () => done(null),
    );
  };

  readonly remove = (name: string, done: Done): void => {
    this.schedule(
      "remove",
      () => this.image.folder.remove(name),
      () => done(null),
    );
  };

  readonly syncFolder = (done: Done): void => {
    this.schedule(
      "sync folder",
      () => this.image.folder.sync(),
      () => done(null),
    );
  };

  #file(name: string, inode: Inode): DiskFile {
    return {
      name,
      write: (bytes, offset, done) => {
        const copy = Buffer.from(bytes);
        this.schedule("write", () => this.image.write(inode, copy, offset), done);
      },
      sync: (done) => this.schedule("sync", () => this.image.sync(inode), done),
      close: (done) => this.schedule("close", () => null, done),
    };
  }
}
