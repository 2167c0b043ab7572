import { type Random, randomInteger } from "@raft2kube/std/random.ts";

/** What a disk writes as a whole: a write may be torn between two of these. */
export const SECTOR_BYTES = 512;

interface Write {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** What became of the writes that a crash found unsynced. */
export interface CrashOutcome {
  lost: number;
  torn: number;
  kept: number;
}

/** A file's bytes: as a reader sees them, and as a power cut leaves them for certain. */
export class Inode {
  content: Buffer = Buffer.alloc(0);
  #durable: Buffer = Buffer.alloc(0);
  #unsynced: Write[] = [];

  write(bytes: Buffer, offset: number): void {
    const copy = Buffer.from(bytes);
    this.content = overlay(this.content, copy, offset);
    this.#unsynced.push({ offset, bytes: copy });
  }

  /** Makes all writes durable; returns where the first of them began, undefined without any. */
  sync(): number | undefined {
    let from: number | undefined;
    for (const { offset, bytes } of this.#unsynced) {
      this.#durable = overlay(this.#durable, bytes, offset);
      from = Math.min(from ?? offset, offset);
    }
    this.#unsynced = [];
    return from;
  }

  /** A sync that failed: a reader still sees the bytes, but nothing will ever write them. */
  syncFailed(): void {
    this.#unsynced = [];
  }

  /** Cuts at `offset` and fills with zeros up to `size`, durably. */
  cut(offset: number, size: number): void {
    const kept = this.content.subarray(0, offset);
    this.content = Buffer.concat([kept, Buffer.alloc(size - kept.length)]);
    this.#durable = Buffer.from(this.content);
    this.#unsynced = [];
  }

  /** Changes one byte at rest. */
  flip(offset: number, mask: number): void {
    for (const bytes of [this.content, this.#durable]) {
      if (offset < bytes.length) bytes[offset] = bytes[offset]! ^ mask;
    }
  }

  /** Puts bytes at rest, past the writer. */
  patch(offset: number, bytes: Buffer): void {
    this.content = overlay(this.content, bytes, offset);
    this.#durable = overlay(this.#durable, bytes, offset);
  }

  /** Power is lost: each unsynced write is kept, lost, or torn at a sector. */
  crash(random: Random): CrashOutcome {
    const outcome = { lost: 0, torn: 0, kept: 0 };
    for (const { offset, bytes } of this.#unsynced) {
      const die = random.next();
      if (die < 0.4) {
        outcome.lost++;
      } else if (die < 0.7 || bytes.length <= SECTOR_BYTES) {
        this.#durable = overlay(this.#durable, bytes, offset);
        outcome.kept++;
      } else {
        const sectors = Math.floor(bytes.length / SECTOR_BYTES);
        const cut = randomInteger(random, 1, sectors + 1) * SECTOR_BYTES;
        // A disk may write the later sectors first.
        const part = random.next() < 0.7 ? bytes.subarray(0, cut) : bytes.subarray(cut);
        const at = part.byteOffset - bytes.byteOffset;
        this.#durable = overlay(this.#durable, part, offset + at);
        outcome.torn++;
      }
    }
    this.#unsynced = [];
    this.content = Buffer.from(this.#durable);
    return outcome;
  }
}

function overlay(base: Buffer, bytes: Buffer, offset: number): Buffer {
  const end = offset + bytes.length;
  const target = end <= base.length ? base : Buffer.concat([base, Buffer.alloc(end - base.length)]);
  bytes.copy(target, offset);
  return target;
}
