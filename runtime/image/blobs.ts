import { createHash, type Hash, randomBytes } from "node:crypto";
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
} from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "../errors.ts";
import { LAYER_PIECE_BYTES } from "../limits.ts";
import { type DiskReserve, FILE_BYTES } from "./disk-reserve.ts";
import { DIGEST } from "./reference.ts";

/** The origin of content, for messages, and its expected digest and size. */
export interface Expected {
  /** The digest that it must have; absent when it is to be found out. */
  digest?: string;
  size?: number;
  /** More than this is refused while it arrives. */
  limit_bytes: number;
}

/** `sha256:...` of some bytes. */
export function digestOf(bytes: Uint8Array, algorithm = "sha256"): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** Hashes and counts the bytes that pass; fails above the limit. */
export class Hashing {
  readonly #hash: Hash;
  readonly #algorithm: string;
  readonly #limit_bytes: number;
  size = 0;

  constructor(algorithm: string, limit_bytes: number) {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
    this.#limit_bytes = limit_bytes;
  }

  async *pass(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      this.size += chunk.length;
      if (this.size > this.#limit_bytes) {
        throw new RuntimeError("resource-exhausted", `more than ${this.#limit_bytes} bytes`);
      }
      this.#hash.update(chunk);
      yield chunk;
    }
  }

  /** The digest of all that went through; once, at the end. */
  digest(): string {
    return `${this.#algorithm}:${this.#hash.digest("hex")}`;
  }
}

/** Content by digest, as in an OCI image layout: `DIR/sha256/HEX`. Names are checked, bytes too. */
export class BlobStore {
  readonly #directory: string;
  readonly #reserve: DiskReserve;

  constructor(directory: string, reserve: DiskReserve) {
    this.#directory = directory;
    this.#reserve = reserve;
  }

  /** The file of a digest, whether it is there or not. */
  file(digest: string): string {
    if (!DIGEST.test(digest)) throw new RuntimeError("invalid-argument", `no digest: ${digest}`);
    return path.join(this.#directory, digest.replace(":", "/"));
  }

  /** The size of a blob in bytes, or undefined when it is not there. */
  async size(digest: string): Promise<number | undefined> {
    return statSync(this.file(digest), { throwIfNoEntry: false })?.size;
  }

  /** A small blob (a manifest, a config) as a whole. Throws not-found. */
  async read(digest: string, limit_bytes: number): Promise<Buffer> {
    const size = await this.size(digest);
    if (size === undefined) throw new RuntimeError("not-found", `blob ${digest} is not here`);
    if (size > limit_bytes) {
      throw new RuntimeError("resource-exhausted", `blob ${digest} has ${size} bytes`);
    }
    return readFile(this.file(digest));
  }

  /** The same as `read`, synchronously. */
  readSync(digest: string, limit_bytes: number): Buffer {
    const size = statSync(this.file(digest), { throwIfNoEntry: false })?.size;
    if (size === undefined) throw new RuntimeError("not-found", `blob ${digest} is not here`);
    if (size > limit_bytes) {
      throw new RuntimeError("resource-exhausted", `blob ${digest} has ${size} bytes`);
    }
    return readFileSync(this.file(digest));
  }

  open(digest: string): Readable {
    const stream = createReadStream(this.file(digest), { highWaterMark: LAYER_PIECE_BYTES });
    // Its reader meets the error, also one that comes before it reads.
    stream.on("error", () => stream.destroy());
    return stream;
  }

  /** Stores bytes that are in memory; returns their digest, by default the SHA-256 one. */
  async put(bytes: Uint8Array, digest = digestOf(bytes)): Promise<string> {
    if ((await this.size(digest)) === bytes.length) return digest;
    await this.#reserve.take(bytes.length + FILE_BYTES);
    const temporary = await this.#temporaryFile();
    try {
      await writeFile(temporary, bytes);
      await this.#publish(temporary, digest);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    return digest;
  }

  /** Stores a stream. Content that is too long or not what was expected leaves nothing behind. */
  async receive(
    source: AsyncIterable<Buffer>,
    expected: Expected,
  ): Promise<{ digest: string; size: number }> {
    const algorithm = expected.digest?.split(":")[0] ?? "sha256";
    const hashing = new Hashing(algorithm, expected.limit_bytes);
    const temporary = await this.#temporaryFile();
    try {
      const checked = this.#reserve.pass(hashing.pass(source));
      await pipeline(checked, createWriteStream(temporary));
      const digest = hashing.digest();
      const { size } = hashing;
      if (expected.digest !== undefined && digest !== expected.digest) {
        const why = `content has digest ${digest}, expected ${expected.digest}`;
        throw new RuntimeError("failed-precondition", why);
      }
      if (expected.size !== undefined && size !== expected.size) {
        const why = `${digest} has ${size} bytes, expected ${expected.size}`;
        throw new RuntimeError("failed-precondition", why);
      }
      await this.#publish(temporary, digest);
      return { digest, size };
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** Removes a blob, which is not here from the call on; its bytes go before this resolves. */
  async remove(digest: string): Promise<void> {
    const removed = this.#temporaryName();
    mkdirSync(path.dirname(removed), { recursive: true, mode: 0o700 });
    tolerateSync(() => renameSync(this.file(digest), removed), errno("ENOENT"));
    await rm(removed, { force: true });
  }

  /** All digests that are here. */
  async list(): Promise<string[]> {
    const found: string[] = [];
    for (const algorithm of ["sha256", "sha512"]) {
      for (const hex of await namesIn(path.join(this.#directory, algorithm))) {
        if (DIGEST.test(`${algorithm}:${hex}`)) found.push(`${algorithm}:${hex}`);
      }
    }
    return found;
  }

  /** The bytes of all that are here. */
  async bytes(): Promise<number> {
    const sizeOf = (digest: string) =>
      tolerateSync(() => statSync(this.file(digest)).size, errno("ENOENT")) ?? 0;
    return (await this.list()).reduce((sum, digest) => sum + sizeOf(digest), 0);
  }

  /** Removes what an interrupted download left. Only while nothing is arriving. */
  async removeTemporary(): Promise<void> {
    await removePath(path.join(this.#directory, "incoming"));
  }

  async #temporaryFile(): Promise<string> {
    const file = this.#temporaryName();
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    return file;
  }

  #temporaryName(): string {
    return path.join(this.#directory, "incoming", randomBytes(8).toString("hex"));
  }

  async #publish(temporary: string, digest: string): Promise<void> {
    const file = this.file(digest);
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await rename(temporary, file);
  }
}
