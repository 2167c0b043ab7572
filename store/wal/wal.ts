import { assert } from "@raft2kube/std/assert.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Write } from "../core/ready.ts";
import type { HardState, LogBase } from "../core/types.ts";
import { SEGMENT_BYTES, SPARE_SEGMENTS_MAX } from "../limits.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { LogWriteError } from "./errors.ts";
import {
  encodeBase,
  encodeEntry,
  encodeHardState,
  encodeHead,
  type LogIdentity,
} from "./payload.ts";
import { encodeRecord, type LogRecord, RECORD, recordSize } from "./record.ts";
import { type RecoveredLog, recoverLog, type SegmentInfo } from "./recover.ts";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentName } from "./segment.ts";
import { SparePool } from "./spare.ts";
import { SYNCED_NAME, SyncedMark } from "./synced-mark.ts";

export interface WalOptions {
  disk: Disk;
  identity: LogIdentity;
  /** The log cannot be trusted: the process must end. Nothing is acknowledged after this. */
  onFatal: (reason: LogWriteError) => void;
  clock: Clock;
  segmentBytes?: number;
}

interface Pending {
  records: LogRecord[];
  lastIndex: number;
  base: LogBase | undefined;
  hardState: HardState | undefined;
  done: () => void;
}

/**
 * The write-ahead log. Writes come in order and are acknowledged in order; all that wait while
 * the disk is busy go out together, under one sync (group commit).
 */
export class Wal {
  readonly #disk: Disk;
  readonly #identity: LogIdentity;
  readonly #onFatal: (reason: LogWriteError) => void;
  readonly #segmentBytes: number;
  readonly #spares: SparePool;
  readonly #mark: SyncedMark;
  #segments: SegmentInfo[];
  #file: DiskFile | undefined;
  #fileSize: number;
  #position: number;
  #durable: number;
  #base: LogBase;
  #hardState: HardState;
  #queue: Pending[] = [];
  #busy = false;
  #dead = false;
  #idle: (() => void) | undefined;
  /** Syncs done so far, for metrics and tests. */
  syncs = 0;

  private constructor(options: WalOptions, log: RecoveredLog) {
    this.#disk = options.disk;
    this.#identity = options.identity;
    this.#onFatal = options.onFatal;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#spares = new SparePool(options.disk, this.#segmentBytes, SPARE_SEGMENTS_MAX);
    const failed = (error: Error | null) => this.#fail(SYNCED_NAME, error);
    this.#mark = new SyncedMark(options.disk, log.mark, options.clock, failed);
    this.#segments = log.segments;
    this.#fileSize = log.size;
    this.#position = log.end;
    this.#durable = log.end;
    const last = log.entries.at(-1);
    this.#base = last
      ? { index: last.index, term: last.term }
      : { index: log.base.index, term: log.base.term ?? 0 };
    this.#hardState = log.hardState;
  }

  /** Reads the log and opens it for writing after its last whole record. */
  static open(options: WalOptions): { wal: Wal; recovered: RecoveredLog } {
    const recovered = recoverLog(options.disk, options.identity);
    return { wal: new Wal(options, recovered), recovered };
  }

  /** Adds a write of the core; `done` is called once it is durable. */
  append(write: Write, done: () => void): void {
    const records: LogRecord[] = [];
    if (write.snapshot) {
      records.push({ kind: RECORD.SNAPSHOT, payload: encodeBase(write.snapshot) });
    }
    for (const entry of write.entries) {
      if (entry.change && write.hardState) records.push(commitBefore(entry.index, write.hardState));
      records.push({ kind: RECORD.ENTRY, payload: encodeEntry(entry) });
    }
    if (write.hardState) {
      records.push({ kind: RECORD.HARD_STATE, payload: encodeHardState(write.hardState) });
    }
    const last = write.entries.at(-1) ?? write.snapshot;
    const base = last ? { index: last.index, term: last.term } : undefined;
    const lastIndex = last?.index ?? 0;
    this.#queue.push({ records, lastIndex, base, hardState: write.hardState, done });
    this.#pump();
  }

  /**
   * Entries up to `index` are no longer needed: segments that hold nothing else are reused or
   * removed.
   */
  cut(index: number): void {
    while (this.#segments.length > 1 && this.#segments[0]!.lastIndex <= index) {
      const segment = this.#segments.shift()!;
      this.#spares.give(segmentName(segment.sequence), (error) => this.#fail("log folder", error));
    }
  }

  /** Waits for the queued writes, then closes the file. After a failure nothing is waited for. */
  async close(): Promise<void> {
    if (this.#busy && !this.#dead) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#dead = true;
    await this.#mark.close();
    await this.#spares.close();
    const file = this.#file;
    if (file) await new Promise<void>((resolve) => file.close(() => resolve()));
  }

  /**
   * Writes what is queued, one batch at a time, and calls each write's `done` in order once its
   * batch is durable. With nothing left to write it calls `#idle`, for which `close` waits.
   */
  #pump(): void {
    // lab:02 begin pump
    if (this.#busy || this.#dead) return;
    if (this.#queue.length === 0) {
      this.#idle?.();
      return;
    }
    this.#busy = true;
    const batch = this.#queue;
    this.#queue = [];
    this.#writeBatch(batch, () => {
      // Busy until the last one: an append made by a `done` must not be acknowledged before it.
      for (const pending of batch) pending.done();
      this.#busy = false;
      this.#pump();
    });
    // lab:02 end
  }

  /**
   * Writes as many of the waiting writes as fit into the segment, then continues in the next one.
   */
  #writeBatch(batch: Pending[], done: () => void): void {
    let bytes = 0;
    let count = 0;
    const space = this.#file ? this.#fileSize - this.#offset() : 0;
    for (const pending of batch) {
      const size = sizeOf(pending);
      if (bytes + size > space) break;
      bytes += size;
      count++;
    }
    const rest = batch.slice(count);
    const next = () => {
      if (rest.length === 0) done();
      else this.#rotate(sizeOf(rest[0]!), () => this.#writeBatch(rest, done));
    };
    if (bytes > 0) return this.#writeOut(batch.slice(0, count), bytes, next);
    // A write without records is a barrier: what came before it is durable already.
    this.#vouch();
    next();
  }

  #writeOut(batch: Pending[], bytes: number, done: () => void): void {
    const file = this.#file!;
    const block = Buffer.allocUnsafe(bytes);
    const start = this.#position;
    let at = 0;
    for (const pending of batch) {
      for (const record of pending.records) {
        const place = { position: start + at, durable: this.#durable };
        at = encodeRecord(block, at, record, place);
      }
      this.#note(pending);
    }
    const durable = start + bytes;
    if (file.writeSynced) {
      file.writeSynced(block, this.#offset(), (error) => this.#synced(file, error, durable, done));
    } else {
      file.write(block, this.#offset(), (error) => {
        if (error) return this.#fail(file.name, error);
        this.#sync(file, durable, done);
      });
    }
    this.#position = durable;
  }

  #sync(file: DiskFile, durable: number, done: () => void): void {
    file.sync((error) => this.#synced(file, error, durable, done));
  }

  #synced(file: DiskFile, error: Error | null, durable: number, done: () => void): void {
    if (error) return this.#fail(file.name, error);
    this.syncs++;
    this.#durable = durable;
    this.#vouch();
    if (!this.#dead) done();
  }

  /** Writes the mark, unless another batch waits: its records prove the same. */
  #vouch(): void {
    if (this.#queue.length === 0) this.#mark.note(this.#durable);
  }

  #note(pending: Pending): void {
    const segment = this.#segments.at(-1)!;
    segment.lastIndex = Math.max(segment.lastIndex, pending.lastIndex);
    if (pending.base) this.#base = pending.base;
    if (pending.hardState) this.#hardState = pending.hardState;
  }

  #offset(): number {
    return this.#position - this.#segments.at(-1)!.start + SEGMENT_HEADER_BYTES;
  }

  /** Opens the segment to continue after a start, or starts a new one that holds `bytes`. */
  #rotate(bytes: number, done: () => void): void {
    const current = this.#segments.at(-1);
    if (current && !this.#file) {
      const name = segmentName(current.sequence);
      return this.#disk.open(name, false, (error, file) => {
        if (error) return this.#fail(name, error);
        this.#file = file;
        done();
      });
    }
    const head = recordSize(encodeHead(this.#head()).length);
    const needed = SEGMENT_HEADER_BYTES + head + bytes;
    const sequence = (current?.sequence ?? 0) + 1;
    const name = segmentName(sequence);
    this.#spares.take(name, needed, (error, file, size) => {
      if (error) return this.#fail(name, error);
      assert(file, "a segment taken without an error has a file");
      this.#file?.close((failed) => this.#fail("log folder", failed));
      this.#file = file;
      this.#fileSize = size ?? needed;
      this.#segments.push({ sequence, start: this.#position, lastIndex: 0 });
      this.#writeHead(file, done);
    });
  }

  #head() {
    return { ...this.#identity, base: this.#base, hardState: this.#hardState };
  }

  #writeHead(file: DiskFile, done: () => void): void {
    const payload = encodeHead(this.#head());
    const start = this.#position;
    const block = Buffer.alloc(SEGMENT_HEADER_BYTES + recordSize(payload.length));
    encodeSegmentHeader(start).copy(block);
    const place = { position: start, durable: this.#durable };
    encodeRecord(block, SEGMENT_HEADER_BYTES, { kind: RECORD.HEAD, payload }, place);
    this.#position = start + block.length - SEGMENT_HEADER_BYTES;
    file.write(block, 0, (error) => {
      if (error) return this.#fail(file.name, error);
      this.#sync(file, this.#position, done);
    });
  }

  #fail(file: string, error: Error | null): void {
    if (!error || this.#dead) return;
    assert(error instanceof Error, "a disk failure without an error");
    this.#dead = true;
    this.#mark.abandon();
    this.#onFatal(new LogWriteError(file, error));
    this.#idle?.();
  }
}

/**
 * The hard state as of the entries before `index`: a write that tears after a change of membership
 * there still says that the change before it is committed (S11).
 */
function commitBefore(index: number, { term, vote, commit }: HardState): LogRecord {
  const before = { term, vote, commit: Math.min(commit, index - 1) };
  return { kind: RECORD.HARD_STATE, payload: encodeHardState(before) };
}

function sizeOf(pending: Pending): number {
  let bytes = 0;
  for (const record of pending.records) bytes += recordSize(record.payload.length);
  return bytes;
}
