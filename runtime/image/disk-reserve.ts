import { statfs } from "node:fs/promises";
import { RuntimeError } from "../errors.ts";
import {
  DISK_CHECK_BYTES,
  DISK_RESERVE_BYTES,
  DISK_RESERVE_SHARE,
  INODE_RESERVE_SHARE,
} from "../limits.ts";

/** A file's overhead beside its content: an inode and a directory entry. */
export const FILE_BYTES = 4_096;

/**
 * Keeps images from filling the disk that they share with the store, logs and volumes: all bytes
 * written for an image are counted here first. Throws resource-exhausted over the reserve.
 */
export class DiskReserve {
  readonly #directory: string;
  /** Bytes written since the disk was last checked; at first, a check is due. */
  #unchecked_bytes = DISK_CHECK_BYTES;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Checks the disk before `size_bytes` are written. */
  async take(size_bytes: number): Promise<void> {
    this.#unchecked_bytes += size_bytes;
    if (this.#unchecked_bytes < DISK_CHECK_BYTES) return;
    this.#unchecked_bytes = 0;
    await this.require(size_bytes);
  }

  /** Passes bytes that are to be written, counting them. */
  async *pass(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      await this.take(chunk.length);
      yield chunk;
    }
  }

  /** Checks the disk, which others fill too. */
  async require(size_bytes = 0): Promise<void> {
    const disk = await statfs(this.#directory);
    const share_bytes = DISK_RESERVE_SHARE * disk.blocks * disk.bsize;
    const reserve_bytes = Math.min(share_bytes, DISK_RESERVE_BYTES);
    const free_bytes = disk.bavail * disk.bsize;
    const mebibytes = (bytes: number) => `${Math.floor(bytes / 2 ** 20)} MiB`;
    if (free_bytes - size_bytes - DISK_CHECK_BYTES < reserve_bytes) {
      throw this.#full(`${mebibytes(free_bytes)} free, ${mebibytes(reserve_bytes)} are kept`);
    }
    // File systems without a fixed number of inodes say 0.
    const reserve = INODE_RESERVE_SHARE * disk.files;
    if (disk.files > 0 && disk.ffree < reserve) {
      throw this.#full(`${disk.ffree} inodes free, ${Math.ceil(reserve)} are kept`);
    }
  }

  #full(why: string): RuntimeError {
    return new RuntimeError("resource-exhausted", `no room for images: ${why}`, {
      remedy: `remove images, or make room in ${this.#directory}`,
    });
  }
}
