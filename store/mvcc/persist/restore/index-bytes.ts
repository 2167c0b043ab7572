import { crc32c } from "@raft2kube/std/bytes.ts";

/**
 * Length u32 and checksum u32 before each block; the checksum continues that of the block before.
 */
const BLOCK_HEAD_BYTES = 8;
const BLOCK_BYTES = 256 * 1024;

/** Writes numbers and strings one after the other, in blocks with a checksum each. */
export class BlockWriter {
  readonly #blocks: Buffer[] = [];
  #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #at = BLOCK_HEAD_BYTES;
  #crc = 0;

  u8(value: number): void {
    this.#reserve(1);
    this.#block[this.#at++] = value;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#at = this.#block.writeUInt32LE(value, this.#at);
  }

  /** A whole number below 2^53. */
  whole(value: number): void {
    this.#reserve(8);
    this.#at = this.#block.writeDoubleLE(value, this.#at);
  }

  id(value: bigint): void {
    this.#reserve(8);
    this.#at = this.#block.writeBigInt64LE(value, this.#at);
  }

  /** A string of one character for each byte. */
  text(value: string): void {
    this.u32(value.length);
    this.#reserve(value.length);
    this.#at += this.#block.write(value, this.#at, "latin1");
  }

  /** All blocks, the last one closed. */
  finish(): Buffer[] {
    this.#close();
    return this.#blocks;
  }

  /** A value is never cut in two. */
  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#block.length) return;
    this.#close();
    const length = Math.max(BLOCK_BYTES, BLOCK_HEAD_BYTES + bytes);
    this.#block = Buffer.allocUnsafe(length);
    this.#at = BLOCK_HEAD_BYTES;
  }

  #close(): void {
    const block = this.#block.subarray(0, this.#at);
    block.writeUInt32LE(block.length - BLOCK_HEAD_BYTES, 0);
    this.#crc = crc32c(block.subarray(BLOCK_HEAD_BYTES), this.#crc);
    block.writeUInt32LE(this.#crc, 4);
    this.#blocks.push(block);
  }
}

/** Reads the output of a BlockWriter. Throws RangeError at damaged or truncated blocks. */
export class BlockReader {
  readonly #bytes: Buffer;
  /** Where the next block starts, where this one is read, and where it ends. */
  #next = 0;
  #at = 0;
  #end = 0;
  #crc = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#end && this.#next === this.#bytes.length;
  }

  u8(): number {
    const at = this.#take(1);
    return this.#bytes[at]!;
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  whole(): number {
    return this.#bytes.readDoubleLE(this.#take(8));
  }

  id(): bigint {
    return this.#bytes.readBigInt64LE(this.#take(8));
  }

  text(): string {
    const length = this.u32();
    const at = this.#take(length);
    return this.#bytes.toString("latin1", at, at + length);
  }

  #take(bytes: number): number {
    if (this.#at + bytes > this.#end) this.#open();
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#end) throw new RangeError("a value goes on behind its block");
    return at;
  }

  #open(): void {
    if (this.#at !== this.#end) throw new RangeError("a block has something left");
    const bytes = this.#bytes;
    const at = this.#next + BLOCK_HEAD_BYTES;
    this.#end = at + bytes.readUInt32LE(this.#next);
    if (this.#end > bytes.length) throw new RangeError("a block is cut short");
    this.#crc = crc32c(bytes.subarray(at, this.#end), this.#crc);
    if (this.#crc !== bytes.readUInt32LE(this.#next + 4)) throw new RangeError("a damaged block");
    this.#at = at;
    this.#next = this.#end;
  }
}
