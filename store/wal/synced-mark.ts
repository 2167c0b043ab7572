import { assert } from "@raft2kube/std/assert.ts";
import { crc32c } from "@raft2kube/std/bytes.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { SYNCED_MARK_DELAY_MS } from "../limits.ts";
import type { Disk, DiskFile, Done } from "./disk.ts";
import { LogFormatError } from "./errors.ts";

/** The file beside the segments that says how far the log is known to be durable. */
export const SYNCED_NAME = "synced";
export const SYNCED_FORMAT_VERSION = 1;

/** magic, format version u32, crc u32 over the rest, position u64. */
const SLOT_BYTES = 24;
/**
 * Two of them, each in a sector of its own, written in turn: a torn or damaged one leaves the
 * other.
 */
const SLOT_STRIDE_BYTES = 512;
const SLOTS = 2;
const MAGIC = Buffer.from("r2k-sync", "latin1");

function encodeSlot(position: number): Buffer {
  const slot = Buffer.alloc(SLOT_BYTES);
  MAGIC.copy(slot, 0);
  slot.writeUInt32LE(SYNCED_FORMAT_VERSION, 8);
  slot.writeBigUInt64LE(BigInt(position), 16);
  slot.writeUInt32LE(crcOf(slot), 12);
  return slot;
}

/** The position in a slot; undefined when nothing, or nothing whole, was written there. */
function decodeSlot(slot: Buffer): number | undefined {
  if (slot.length < SLOT_BYTES || !slot.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const version = slot.readUInt32LE(8);
  if (version > SYNCED_FORMAT_VERSION) {
    const known = `this release reads up to ${SYNCED_FORMAT_VERSION}`;
    throw new LogFormatError(SYNCED_NAME, `format ${version} of the mark; ${known}`);
  }
  if (slot.readUInt32LE(12) !== crcOf(slot)) return undefined;
  return Number(slot.readBigUInt64LE(16));
}

function crcOf(slot: Buffer): number {
  return crc32c(slot.subarray(16, SLOT_BYTES), crc32c(slot.subarray(0, 12)));
}

/** The content of a folder's mark. */
export interface FoundMark {
  /** The log was durable up to here; 0 when nothing says so. */
  position: number;
  /** The slot to write next: the one that does not say it. */
  nextSlot: number;
  exists: boolean;
}

/** Reads the mark. Throws LogFormatError for one of a later release. */
export function readMark(disk: Pick<Disk, "list" | "read">): FoundMark {
  if (!disk.list().includes(SYNCED_NAME)) return { position: 0, nextSlot: 0, exists: false };
  const bytes = disk.read(SYNCED_NAME);
  let [position, nextSlot] = [0, 0];
  for (let slot = 0; slot < SLOTS; slot++) {
    const found = decodeSlot(bytes.subarray(slot * SLOT_STRIDE_BYTES)) ?? 0;
    if (found > position) [position, nextSlot] = [found, (slot + 1) % SLOTS];
  }
  return { position, nextSlot, exists: true };
}

/** The file of the mark: `exists` when an earlier run made it. */
type MarkFile =
  | { readonly kind: "unopened"; readonly exists: boolean }
  | { readonly kind: "open"; readonly file: DiskFile };

/** When the newest write is synced: it is already, after a pause, at the next turn, at the end. */
type Sync =
  | { readonly kind: "done" }
  | { readonly kind: "at-close" }
  | { readonly kind: "later"; readonly timer: Timer }
  | { readonly kind: "due" };

/**
 * Records how far the log is durable, after each sync that no other write waits for. It replaces
 * the records that are not there yet, each of which would state that all before it is durable. The
 * mark never claims too much, even if a write of it is lost: it is written after the sync. The
 * kernel writes it to the disk in its own time, and SYNCED_MARK_DELAY_MS later it is synced: until
 * then a power cut may remove it, and with it the proof for the very last batch.
 */
export class SyncedMark {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #onFailure: (error: Error | null) => void;
  #file: MarkFile;
  /** The slot to write next. */
  #slot: number;
  /** The position to be noted. Never goes back. */
  #wanted: number;
  /** The position in the file. Invariant: written <= wanted. */
  #written: number;
  #sync: Sync = { kind: "done" };
  /** `busy`: an operation on the file is under way; `dead`: none is started any more. */
  #state: "idle" | "busy" | "dead" = "idle";
  /** Called when nothing is under way, nor to be done. */
  #onIdle: (() => void) | undefined;

  constructor(
    disk: Disk,
    found: FoundMark,
    clock: Clock,
    onFailure: (error: Error | null) => void,
  ) {
    this.#disk = disk;
    this.#clock = clock;
    this.#onFailure = onFailure;
    this.#file = { kind: "unopened", exists: found.exists };
    this.#slot = found.nextSlot;
    this.#wanted = found.position;
    this.#written = found.position;
  }

  /** The log is durable up to `position`. The mark is written after the write that is under way. */
  note(position: number): void {
    this.#wanted = position;
    this.#pump();
  }

  /** Nothing more is noted: the log itself has failed. */
  abandon(): void {
    this.#state = "dead";
    this.#cancelSync();
    this.#onIdle?.();
  }

  /** Waits for the write under way, makes it durable and closes the file. */
  async close(): Promise<void> {
    this.#cancelSync();
    this.#sync = { kind: "at-close" };
    if (this.#state === "busy") await new Promise<void>((resolve) => (this.#onIdle = resolve));
    if (this.#file.kind === "unopened" || this.#isDead) return;
    const { file } = this.#file;
    await new Promise<void>((resolve) => file.sync(() => file.close(() => resolve())));
  }

  get #isDead(): boolean {
    return this.#state === "dead";
  }

  #cancelSync(): void {
    if (this.#sync.kind === "later") this.#sync.timer.cancel();
  }

  #pump(): void {
    if (this.#state !== "idle") return;
    if (this.#wanted <= this.#written && this.#sync.kind !== "due") return this.#onIdle?.();
    this.#state = "busy";
    if (this.#file.kind === "open") return this.#act(this.#file.file);
    this.#disk.open(SYNCED_NAME, !this.#file.exists, (error, file) => {
      if (error) return this.#fail(error);
      assert(file, "an open without an error has a file");
      this.#file = { kind: "open", file };
      this.#act(file);
    });
  }

  #act(file: DiskFile): void {
    if (this.#wanted > this.#written) return this.#write(file);
    if (this.#sync.kind === "due") this.#sync = { kind: "done" };
    file.sync((error) => this.#done(error));
  }

  #write(file: DiskFile): void {
    const position = this.#wanted;
    writeCached(file, encodeSlot(position), this.#slot * SLOT_STRIDE_BYTES, (error) => {
      this.#slot = (this.#slot + 1) % SLOTS;
      this.#written = position;
      this.#done(error);
      if (this.#isDead || this.#sync.kind !== "done") return;
      const timer = this.#clock.after(SYNCED_MARK_DELAY_MS, () => this.#due());
      this.#sync = { kind: "later", timer };
    });
  }

  #due(): void {
    this.#sync = { kind: "due" };
    this.#pump();
  }

  #done(error: Error | null): void {
    if (error) return this.#fail(error);
    if (!this.#isDead) this.#state = "idle";
    this.#pump();
  }

  #fail(error: Error): void {
    this.abandon();
    this.#onFailure(error);
  }
}

/** A slot is a few bytes of a page at hand: a trip to another thread costs ten times the write. */
function writeCached(file: DiskFile, bytes: Buffer, offset: number, done: Done): void {
  if (!file.writeCached) return file.write(bytes, offset, done);
  try {
    file.writeCached(bytes, offset);
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
    return done(thrown);
  }
  done(null);
}
