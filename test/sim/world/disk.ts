import { type Random, randomInteger } from "@raft2kube/std/random.ts";
import { SEGMENT_HEADER_BYTES } from "@raft2kube/store/wal/segment.ts";
import { DiskImage } from "../../../testing/disk/image.ts";
import type { Inode } from "../../../testing/disk/inode.ts";
import { type Operation, ScheduledDisk } from "../../../testing/disk/scheduled-disk.ts";
import { SECTOR_BYTES, tornAtOneSector } from "../../../testing/disk/survival.ts";
import type { Counters } from "./counters.ts";
import type { Host } from "./host.ts";
import type { DiskPace } from "./pace.ts";
import type { Moment, Power } from "./power.ts";

/** A fault that the next fitting operation meets. */
export const DISK_FAULTS = [
  "EIO on write",
  "ENOSPC on write",
  "ENOSPC on create",
  "EIO on read",
  "fsync error",
  "write corrupted",
  "write misdirected",
] as const;
export type DiskFault = (typeof DISK_FAULTS)[number];

type DamagingFault = "write corrupted" | "write misdirected";

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
type LastBatch = { inode: Inode; from: number };

/**
 * A disk with faults. It damages only bytes for which a later sync vouches: the end of the log
 * cannot be distinguished from a torn write, so damage there is taken back at a crash.
 */
export class FaultyImage extends DiskImage {
  readonly #random: Random;
  readonly #counters: Counters;
  armed: DiskFault | undefined;
  /** A disk that goes bad: the chance that a read or a write is changed, or goes elsewhere. */
  badness = 0;
  #mangled: Mangled | undefined;
  #lastBatch: LastBatch | undefined;
  #misread: { inode: Inode; offset: number } | undefined;

  constructor(random: Random, counters: Counters) {
    super();
    this.#random = random;
    this.#counters = counters;
  }

  crash(): void {
    if (this.armed !== "EIO on read") this.armed = undefined;
    const mangled = this.#mangled;
    for (const inode of new Set(this.folder.names.values())) {
      const { lost, torn } = inode.crash(tornAtOneSector(this.#random));
      this.#counters.note("unsynced write lost", lost);
      this.#counters.note("unsynced write torn", torn);
    }
    this.#counters.note("directory entry lost", this.folder.crash(this.#random));
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

  override read(name: string): Buffer {
    if (this.armed === "EIO on read") throw this.#fail("EIO on read", "EIO");
    const inode = this.folder.get(name);
    const bytes = super.read(name);
    if (this.badness > 0 && this.#random.next() < this.badness) this.misread();
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
  override write(inode: Inode, bytes: Buffer, offset: number): Error | null {
    const { armed } = this;
    if (armed === "EIO on write" || armed === "ENOSPC on write") {
      return this.#fail(armed, armed.slice(0, armed.indexOf(" ")));
    }
    const fault = this.#damages();
    // The start of a segment is no part of what a later record vouches for.
    if (fault && offset > 0 && !this.#mangled) this.#mangle(inode, bytes, offset, fault);
    else inode.write(bytes, offset);
    return null;
  }

  #damages(): DamagingFault | undefined {
    const { armed } = this;
    if (armed === "write corrupted" || armed === "write misdirected") return armed;
    if (this.badness === 0 || this.#random.next() >= this.badness) return undefined;
    return this.#random.next() < 0.5 ? "write corrupted" : "write misdirected";
  }

  /** Takes a new file in; returns the error that it meets. */
  override create(name: string): { inode: Inode } | { error: Error } {
    if (this.armed === "ENOSPC on create") return { error: this.#fail(this.armed, "ENOSPC") };
    return { inode: this.folder.create(name) };
  }

  override sync(inode: Inode): Error | null {
    if (this.armed === "fsync error") {
      inode.syncFailed();
      return this.#fail("fsync error", "EIO");
    }
    const from = inode.sync();
    if (from !== undefined) this.#lastBatch = { inode, from };
    this.#noteSync(inode);
    return null;
  }

  /** A second sync does not repair a mangled write, and other writes may follow it. */
  #noteSync(inode: Inode): void {
    if (this.#mangled?.inode !== inode) return;
    this.#mangled.syncs++;
    if (this.badness > 0 && this.#mangled.syncs >= 2) this.#mangled = undefined;
  }

  #fail(fault: DiskFault, code: string): Error {
    this.armed = undefined;
    this.#counters.note(fault);
    return Object.assign(new Error(`${code}: simulated`), { code });
  }

  #mangle(inode: Inode, bytes: Buffer, offset: number, fault: DamagingFault): void {
    if (this.armed === fault) this.armed = undefined;
    this.#counters.note(fault);
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

/** How long an operation takes on average, and which moment of power it is. */
const OPERATIONS: Readonly<Record<Operation, { mean_ms: number; moment?: Moment }>> = {
  open: { mean_ms: 0.2 },
  create: { mean_ms: 0.2, moment: "create" },
  write: { mean_ms: 0.1, moment: "save" },
  sync: { mean_ms: 2, moment: "sync" },
  close: { mean_ms: 0.1 },
  rename: { mean_ms: 0.2, moment: "rename" },
  remove: { mean_ms: 0.2, moment: "remove" },
  "sync folder": { mean_ms: 2, moment: "sync folder" },
};

/**
 * The disk as one generation of a member sees it: operations take their time, and end in order.
 * Power may be lost right before an operation, or before its result is reported.
 */
export class SimulatedDisk extends ScheduledDisk {
  readonly #host: Host;
  readonly #power: Power;
  readonly #random: Random;
  readonly #pace: DiskPace;
  readonly #generation: number;
  #busyUntil_ms = 0;

  constructor(image: DiskImage, host: Host, power: Power, random: Random, pace: DiskPace) {
    super(image);
    this.#host = host;
    this.#power = power;
    this.#random = random;
    this.#pace = pace;
    this.#generation = host.generation;
  }

  protected override schedule<T>(
    operation: Operation,
    act: () => T,
    report: (result: T) => void,
  ): void {
    const { mean_ms, moment } = OPERATIONS[operation];
    const now_ms = this.#host.clock.monotonic() / this.#host.rate;
    const done_ms = Math.max(now_ms, this.#busyUntil_ms) + this.#pace(this.#random, mean_ms);
    this.#busyUntil_ms = done_ms;
    const run = () => {
      if (moment && this.#power.cut("before", moment)) return;
      const result = act();
      if (moment && this.#power.cut("after", moment)) return;
      report(result);
    };
    this.#host.after(done_ms - now_ms, run, this.#generation);
  }
}
