import type { Survival, Write } from "./survival.ts";

/** How many unsynced writes a power cut has lost, torn and kept. */
export type CrashOutcome = { lost: number; torn: number; kept: number };

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

  /** Makes all writes durable; returns where the first of them started, undefined without any. */
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

  copy(): Inode {
    const result = new Inode();
    result.content = Buffer.from(this.content);
    result.#durable = Buffer.from(this.#durable);
    result.#unsynced = [...this.#unsynced];
    return result;
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

  /** Power is lost: of each unsynced write, oldest first, `survival` names the ranges that stay. */
  crash(survival: Survival): CrashOutcome {
    const outcome = { lost: 0, torn: 0, kept: 0 };
    this.#unsynced.forEach((write, i) => {
      const { offset, bytes } = write;
      const ranges = survival(write, i);
      for (const [from, to] of ranges) {
        this.#durable = overlay(this.#durable, bytes.subarray(from, to), offset + from);
      }
      const kept = ranges.reduce((sum, [from, to]) => sum + to - from, 0);
      outcome[ranges.length === 0 ? "lost" : kept === bytes.length ? "kept" : "torn"]++;
    });
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
