import type { Disk, DiskFile, Done } from "@raft2kube/store/wal/disk.ts";

interface FileState {
  /** What a reader sees now. */
  bytes: Buffer;
  /** What a power loss leaves: bytes as of the last sync. */
  durable: Buffer;
  /** Writes since the last sync, oldest first: each may be lost, kept or torn. */
  unsynced: { offset: number; bytes: Buffer }[];
}

/**
 * A disk in memory that keeps only what was synced. `dieAt` names the operation (counted from 1)
 * that never completes; operations complete in order, each in a turn of its own.
 */
export class CrashDisk implements Disk {
  #files = new Map<string, FileState>();
  #queue: (() => void)[] = [];
  #running = false;
  #dead = false;
  operations = 0;
  syncs = 0;
  readonly #dieAt: number;
  /** The next sync fails with this, once. */
  failNextSync: Error | undefined;

  constructor(dieAt = Number.POSITIVE_INFINITY) {
    this.#dieAt = dieAt;
  }

  /** Whether the power went. */
  get dead(): boolean {
    return this.#dead;
  }

  list(): string[] {
    return [...this.#files.keys()].sort();
  }

  read(name: string): Buffer {
    return Buffer.from(this.#file(name).bytes);
  }

  cutSync(name: string, offset: number, size: number): void {
    const file = this.#file(name);
    const kept = file.bytes.subarray(0, offset);
    file.bytes = Buffer.concat([kept, Buffer.alloc(size - kept.length)]);
    file.durable = Buffer.from(file.bytes);
    file.unsynced = [];
  }

  removeSync(name: string): void {
    this.#files.delete(name);
  }

  open(name: string, create: boolean, done: (error: Error | null, file?: DiskFile) => void): void {
    this.#later(() => {
      if (create) this.#files.set(name, emptyFile());
      const state = this.#file(name);
      done(null, {
        name,
        write: (bytes, offset, written) => this.#write(state, bytes, offset, written),
        sync: (synced) => this.#sync(state, synced),
        close: (closed) => this.#later(() => closed(null)),
      });
    });
  }

  rename(from: string, to: string, done: Done): void {
    this.#later(() => {
      this.#files.set(to, this.#file(from));
      this.#files.delete(from);
      done(null);
    });
  }

  remove(name: string, done: Done): void {
    this.#later(() => {
      this.#files.delete(name);
      done(null);
    });
  }

  syncFolder(done: Done): void {
    this.#later(() => done(null));
  }

  /**
   * The disk after the power returns; `keep(i)` of 0..1 says how much of unsynced write i survived.
   */
  restarted(keep: (write: number) => number): CrashDisk {
    const next = new CrashDisk();
    for (const [name, file] of this.#files) {
      let bytes: Buffer = Buffer.from(file.durable);
      file.unsynced.forEach((write, i) => {
        const kept = Math.floor(write.bytes.length * keep(i));
        bytes = overlay(bytes, write.bytes.subarray(0, kept), write.offset);
      });
      next.#files.set(name, { bytes, durable: Buffer.from(bytes), unsynced: [] });
    }
    return next;
  }

  /** Turns over one bit of a file, as a failing disk does. */
  flip(name: string, byte: number, bit: number): void {
    const file = this.#file(name);
    file.bytes[byte] = file.bytes[byte]! ^ (1 << bit);
  }

  #write(file: FileState, bytes: Buffer, offset: number, done: Done): void {
    const copy = Buffer.from(bytes);
    this.#later(() => {
      file.bytes = overlay(file.bytes, copy, offset);
      file.unsynced.push({ offset, bytes: copy });
      done(null);
    });
  }

  #sync(file: FileState, done: Done): void {
    this.#later(() => {
      const failure = this.failNextSync;
      this.failNextSync = undefined;
      if (failure) return done(failure);
      this.syncs++;
      file.durable = Buffer.from(file.bytes);
      file.unsynced = [];
      done(null);
    });
  }

  /**
   * Each operation takes a turn of the loop; the one to die at, and all after it, never complete.
   */
  #later(act: () => void): void {
    this.#queue.push(act);
    if (this.#running) return;
    this.#running = true;
    setImmediate(() => this.#drain());
  }

  #drain(): void {
    const act = this.#queue.shift();
    if (!act || this.#dead) {
      this.#running = false;
      return;
    }
    this.operations++;
    if (this.operations >= this.#dieAt) this.#dead = true;
    else act();
    setImmediate(() => this.#drain());
  }

  #file(name: string): FileState {
    const file = this.#files.get(name);
    if (!file) throw new Error(`no file ${name}`);
    return file;
  }
}

function emptyFile(): FileState {
  return { bytes: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [] };
}

function overlay(base: Buffer, bytes: Buffer, offset: number): Buffer {
  const result = Buffer.alloc(Math.max(base.length, offset + bytes.length));
  base.copy(result);
  bytes.copy(result, offset);
  return result;
}
