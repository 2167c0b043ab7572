import { type Random, randomInteger } from "@raft2kube/std/random.ts";
import type { Disk, DiskFile, Done } from "@raft2kube/store/wal/disk.ts";
import { SEGMENT_HEADER_BYTES } from "@raft2kube/store/wal/segment.ts";
import { Folder } from "./folder.ts";
import type { Host } from "./host.ts";
import { type Inode, SECTOR_BYTES } from "./inode.ts";
import type { Tally } from "./tally.ts";

/** A fault that the next fitting operation meets. */
export type DiskFault =
  | "EIO on write"
  | "ENOSPC on write"
  | "fsync error"
  | "write corrupted"
  | "write misdirected";

/** What a disk is asked to do, where power may be lost in the middle. */
export type DiskOperation = "write" | "sync" | "create" | "rename" | "sync folder";

/** A write that reached the disk wrongly, and how to take that back. */
interface Mangled {
  inode: Inode;
  offset: number;
  wrong: Buffer;
  undo: () => void;
  /** Syncs of the file since; the second one makes a record durable that vouches for this one. */
  syncs: number;
}

/** The part of a file that the last sync made durable: nothing vouches for it yet. */
interface LastBatch {
  inode: Inode;
  from: number;
}

/**
 * A disk that outlives its member. Bytes are durable after a sync of their file, names after a
 * sync of the folder. It damages only bytes for which a later sync vouches: the end of the log
 * cannot be told from a torn write, so damage there is taken back at a crash.
 */
export class DiskImage {
  readonly folder = new Folder();
  readonly #random: Random;
  readonly #tally: Tally;
  armed: DiskFault | undefined;
  /** Loses power when the next operation of a kind is about to be done. */
  interrupt: { at: DiskOperation; act: () => void } | undefined;
  #mangled: Mangled | undefined;
  #lastBatch: LastBatch | undefined;
  #misread: { inode: Inode; offset: number } | undefined;

  constructor(random: Random, tally: Tally) {
    this.#random = random;
    this.#tally = tally;
  }

  /** Whether power is lost right before an operation, which then is not done. */
  interrupted(operation: DiskOperation): boolean {
    if (this.interrupt?.at !== operation) return false;
    const { act } = this.interrupt;
    this.interrupt = undefined;
    act();
    return true;
  }

  crash(): void {
    this.armed = undefined;
    this.interrupt = undefined;
    const mangled = this.#mangled;
    for (const inode of new Set(this.folder.names.values())) {
      const { lost, torn } = inode.crash(this.#random);
      this.#tally.note("unsynced write lost", lost);
      this.#tally.note("unsynced write torn", torn);
    }
    this.#tally.note("directory entry lost", this.folder.crash(this.#random));
    this.#lastBatch = undefined;
    this.#mangled = undefined;
    if (!mangled || mangled.syncs >= 2) return;
    const { inode, offset, wrong } = mangled;
    const there = inode.content.subarray(offset, offset + wrong.length);
    if (there.equals(wrong)) mangled.undo();
  }

  /** One byte changes at rest. False when there is none to damage. */
  flipBit(): boolean {
    const place = this.#vouchedPlace();
    if (!place) return false;
    place.inode.flip(place.offset, 1 << randomInteger(this.#random, 0, 8));
    return true;
  }

  /** The next reading of the log sees a wrong byte, once. */
  misread(): boolean {
    this.#misread = this.#vouchedPlace();
    return this.#misread !== undefined;
  }

  read(name: string): Buffer {
    const inode = this.folder.get(name);
    const bytes = Buffer.from(inode.content);
    const misread = this.#misread;
    if (misread?.inode === inode) {
      this.#misread = undefined;
      bytes[misread.offset] = bytes[misread.offset]! ^ 1;
    }
    return bytes;
  }

  #vouchedPlace(): { inode: Inode; offset: number } | undefined {
    const batch = this.#lastBatch;
    if (!batch || batch.from <= SEGMENT_HEADER_BYTES) return undefined;
    const offset = randomInteger(this.#random, SEGMENT_HEADER_BYTES, batch.from);
    return { inode: batch.inode, offset };
  }

  /** Takes a write in; returns the error that it meets. */
  write(inode: Inode, bytes: Buffer, offset: number): Error | null {
    const { armed } = this;
    if (armed === "EIO on write" || armed === "ENOSPC on write") {
      return this.#fail(armed, armed.slice(0, armed.indexOf(" ")));
    }
    const damages = armed === "write corrupted" || armed === "write misdirected";
    // The start of a segment is no part of what a later record vouches for.
    if (damages && offset > 0 && !this.#mangled) this.#mangle(inode, bytes, offset, armed);
    else inode.write(bytes, offset);
    return null;
  }

  sync(inode: Inode): Error | null {
    if (this.armed === "fsync error") {
      inode.syncFailed();
      return this.#fail("fsync error", "EIO");
    }
    const from = inode.sync();
    if (from !== undefined) this.#lastBatch = { inode, from };
    if (this.#mangled?.inode === inode) this.#mangled.syncs++;
    return null;
  }

  #fail(fault: DiskFault, code: string): Error {
    this.armed = undefined;
    this.#tally.note(fault);
    return Object.assign(new Error(`${code}: simulated`), { code });
  }

  #mangle(inode: Inode, bytes: Buffer, offset: number, fault: DiskFault): void {
    this.armed = undefined;
    this.#tally.note(fault);
    const right = Buffer.from(bytes);
    if (fault === "write corrupted") {
      const wrong = Buffer.from(bytes);
      const at = randomInteger(this.#random, 0, wrong.length);
      wrong[at] = wrong[at]! ^ (1 << randomInteger(this.#random, 0, 8));
      inode.write(wrong, offset);
      const undo = () => inode.patch(offset, right);
      this.#mangled = { inode, offset, wrong, undo, syncs: 0 };
      return;
    }
    const astray = offset + SECTOR_BYTES * randomInteger(this.#random, 1, 8);
    const before = Buffer.from(inode.content.subarray(astray, astray + bytes.length));
    inode.write(bytes, astray);
    const undo = () => {
      inode.patch(astray, before);
      inode.patch(offset, right);
    };
    this.#mangled = { inode, offset: astray, wrong: right, undo, syncs: 0 };
  }
}

/** The disk as one life of a member sees it: each operation takes its time, and ends in order. */
export function simulatedDisk(image: DiskImage, host: Host, random: Random): Disk {
  const { folder } = image;
  let busyUntil_ms = 0;
  const later = (act: () => void, mean_ms: number, operation?: DiskOperation) => {
    const now_ms = host.clock.monotonic() / host.rate;
    const done_ms = Math.max(now_ms, busyUntil_ms) + random.next() * 2 * mean_ms;
    busyUntil_ms = done_ms;
    host.after(done_ms - now_ms, () => {
      if (!operation || !image.interrupted(operation)) act();
    });
  };
  const file = (name: string, inode: Inode): DiskFile => ({
    name,
    write: (bytes, offset, done) =>
      later(() => done(image.write(inode, bytes, offset)), 0.1, "write"),
    sync: (done) => later(() => done(image.sync(inode)), 2, "sync"),
    close: (done) => later(() => done(null), 0.1),
  });
  const syncFolder = (done: Done) => {
    later(
      () => {
        folder.sync();
        done(null);
      },
      2,
      "sync folder",
    );
  };
  return {
    list: () => [...folder.names.keys()].sort(),
    read: (name) => image.read(name),
    cutSync: (name, offset, size) => folder.get(name).cut(offset, size),
    removeSync: (name) => {
      folder.remove(name);
      folder.sync();
    },
    open: (name, create, done) => {
      later(
        () => {
          const inode = create ? folder.create(name) : folder.get(name);
          if (create) syncFolder((error) => done(error, file(name, inode)));
          else done(null, file(name, inode));
        },
        0.2,
        create ? "create" : undefined,
      );
    },
    rename: (from, to, done) => {
      later(
        () => {
          folder.rename(from, to);
          done(null);
        },
        0.2,
        "rename",
      );
    },
    remove: (name, done) => {
      later(() => {
        folder.remove(name);
        done(null);
      }, 0.2);
    },
    syncFolder,
  };
}
