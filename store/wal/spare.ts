import { assert } from "@raft2kube/std/assert.ts";
import type { Disk, DiskFile, Done } from "./disk.ts";
import { SEGMENT_HEADER_BYTES } from "./segment.ts";

const ZEROS = Buffer.alloc(1024 * 1024);

/**
 * Files ready to become segments. Overwriting a file whose blocks exist makes a sync cheap; the
 * old content is harmless, since a record's checksum covers its absolute position.
 */
export class SparePool {
  readonly #disk: Disk;
  readonly #bytes: number;
  readonly #files_max: number;
  #ready: string[] = [];
  #next = 0;
  /** Emptied segments, the oldest first; the first is being dealt with. */
  #given: { name: string; onFailure: Done }[] = [];
  #idle: (() => void) | undefined;

  constructor(disk: Disk, bytes: number, files_max: number) {
    this.#disk = disk;
    this.#bytes = bytes;
    this.#files_max = files_max;
    // Left over from an earlier run: of unknown size, so not worth keeping.
    for (const name of disk.list()) if (name.startsWith("spare-")) disk.removeSync(name);
  }

  /** A file under `name` with at least `bytes`, its name durable. */
  take(
    name: string,
    bytes: number,
    done: (error: Error | null, file?: DiskFile, size?: number) => void,
  ): void {
    const spare = bytes <= this.#bytes ? this.#ready.pop() : undefined;
    if (spare === undefined) return this.#make(name, Math.max(bytes, this.#bytes), done);
    this.#rename(spare, name, (error) => {
      if (error) return done(error);
      this.#disk.open(name, false, (unopened, file) => done(unopened, file, this.#bytes));
    });
  }

  #rename(from: string, to: string, done: Done): void {
    this.#disk.rename(from, to, (error) => {
      if (error) return done(error);
      this.#disk.syncFolder(done);
    });
  }

  #make(
    name: string,
    bytes: number,
    done: (error: Error | null, file?: DiskFile, size?: number) => void,
  ): void {
    this.#disk.open(name, true, (error, file) => {
      if (error) return done(error);
      assert(file, "an open without an error has a file");
      const fill = (offset: number) => {
        if (offset >= bytes) return file.sync((failed) => done(failed, file, bytes));
        const zeros = ZEROS.subarray(0, Math.min(ZEROS.length, bytes - offset));
        file.write(zeros, offset, (failed) => {
          if (failed) return done(failed);
          fill(offset + zeros.length);
        });
      };
      fill(0);
    });
  }

  /**
   * Takes an emptied segment in, or removes it when there are enough. One after the other, each
   * durably: a crash between two must not leave the later one gone and the earlier one there, for
   * that is what a lost segment looks like.
   */
  give(name: string, onFailure: Done): void {
    this.#given.push({ name, onFailure });
    if (this.#given.length === 1) this.#takeNext();
  }

  #takeNext(): void {
    const next = this.#given[0];
    if (!next) return this.#idle?.();
    this.#take(next.name, (error) => {
      next.onFailure(error);
      this.#given.shift();
      this.#takeNext();
    });
  }

  #take(name: string, done: Done): void {
    if (this.#ready.length >= this.#files_max) return this.#remove(name, done);
    const spare = `spare-${this.#next++}`;
    this.#rename(name, spare, (failed) => {
      if (failed) return done(failed);
      this.#blank(spare, (error) => {
        if (!error) this.#ready.push(spare);
        done(error);
      });
    });
  }

  #remove(name: string, done: Done): void {
    this.#disk.remove(name, (error) => {
      if (error) return done(error);
      this.#disk.syncFolder(done);
    });
  }

  /**
   * Clears a file's header: without it, a file renamed to a segment and not yet started cannot be
   * read as what it was before.
   */
  #blank(name: string, done: Done): void {
    this.#disk.open(name, false, (error, file) => {
      if (error || !file) return done(error);
      file.write(ZEROS.subarray(0, SEGMENT_HEADER_BYTES), 0, (failed) => {
        if (failed) return done(failed);
        file.sync((unsynced) => file.close((unclosed) => done(unsynced ?? unclosed)));
      });
    });
  }

  async close(): Promise<void> {
    if (this.#given.length > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }
}
