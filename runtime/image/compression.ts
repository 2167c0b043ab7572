import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress, type ZstdDecompress } from "node:zlib";
import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "../errors.ts";
import {
  LAYER_PIECE_BYTES,
  LAYER_RATIO,
  LAYER_RATIO_FREE_BYTES,
  ZSTD_FRAME_BYTES,
  ZSTD_FRAMES_FREE,
} from "../limits.ts";

// The next piece is decompressed while one is written.
const OPTIONS = { chunkSize: LAYER_PIECE_BYTES, highWaterMark: 2 * LAYER_PIECE_BYTES };

type Decompress = (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer>;

/**
 * The decompression for a layer of this media type (OCI image spec, layer.md; docker's types);
 * undefined for none. An unknown compression is refused by name.
 */
function decompressionFor(mediaType: string): Decompress | undefined {
  const [, compression] = /[.+](?:tar\.)?(gzip|zstd|tar)$/.exec(mediaType) ?? [];
  if (compression === "tar") return undefined;
  if (compression === undefined) {
    const type = JSON.stringify(mediaType.slice(0, 200));
    throw new RuntimeError("unimplemented", `layers of type ${type}`);
  }
  return compression === "gzip" ? gunzip : (source) => unzstd(source);
}

/** Decompresses gzip. An error of the source is one of its reader. */
export async function* gunzip(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const decompressor = createGunzip(OPTIONS);
  // Its reader meets the error, also one that comes before it reads.
  decompressor.on("error", () => decompressor.destroy());
  const feeding = pipeline(source, decompressor).then(
    () => undefined,
    () => undefined,
  );
  try {
    yield* decompressor as AsyncIterable<Buffer>;
  } finally {
    decompressor.destroy();
    await feeding;
  }
}

/**
 * Decompresses zstd of any number of frames (RFC 8878, 3): Node's stream ends with a frame, and
 * zstd:chunked has one for each file, and frames to skip.
 */
export async function* unzstd(
  source: AsyncIterable<Buffer>,
  framesFree = ZSTD_FRAMES_FREE,
): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]();
  let size = 0;
  const take = async () => {
    const { value, done } = await chunks.next();
    if (done) return undefined;
    size += (value as Buffer).length;
    return value as Buffer;
  };
  try {
    let rest = await take();
    for (let frames = 0; rest !== undefined; frames++) {
      if (frames > Math.max(framesFree, size / ZSTD_FRAME_BYTES)) {
        throw new RuntimeError("resource-exhausted", `${frames} frames of zstd in ${size} bytes`);
      }
      const frame = createZstdDecompress(OPTIONS);
      frame.on("error", () => frame.destroy());
      const feeding = feedFrame(frame, rest, take);
      try {
        yield* frame as AsyncIterable<Buffer>;
      } finally {
        frame.destroy();
      }
      rest = await feeding;
    }
  } finally {
    await chunks.return?.();
  }
}

/** Writes chunks until a frame ends within one. Returns its rest; undefined at the source's end. */
async function feedFrame(
  frame: ZstdDecompress,
  first: Buffer,
  take: () => Promise<Buffer | undefined>,
): Promise<Buffer | undefined> {
  try {
    let given = 0;
    for (let chunk: Buffer | undefined = first; chunk !== undefined; chunk = await take()) {
      given += chunk.length;
      const { promise, resolve } = Promise.withResolvers<void>();
      const ended = () => resolve();
      frame.once("end", ended).once("close", ended).write(chunk, ended);
      await promise;
      frame.off("end", ended).off("close", ended);
      const left = given - frame.bytesWritten;
      if (left > 0) return chunk.subarray(chunk.length - left);
    }
    frame.end();
  } catch (error) {
    frame.destroy(error as Error);
  }
  return undefined;
}

/** Classifies an error of the decompressor: damaged data is the image's, others are passed on. */
function explained(error: unknown): unknown {
  if (!/^(Z_|ZSTD_)/.test(codeOf(error) ?? "")) return error;
  const message = `a layer cannot be decompressed: ${messageOf(error)}`;
  return new RuntimeError("invalid-argument", message, { cause: error });
}

/**
 * A layer's tar, of any supported compression. Damaged data is invalid-argument. A layer that
 * unpacks to more than LAYER_RATIO times its size is resource-exhausted, once that is a lot.
 */
export async function* decompress(
  source: AsyncIterable<Buffer>,
  mediaType: string,
): AsyncGenerator<Buffer> {
  const decompression = decompressionFor(mediaType);
  if (decompression === undefined) return yield* source;
  let [taken, given] = [0, 0];
  async function* counted() {
    for await (const chunk of source) {
      taken += chunk.length;
      yield chunk;
    }
  }
  try {
    for await (const chunk of decompression(counted())) {
      given += chunk.length;
      if (given > Math.max(LAYER_RATIO_FREE_BYTES, LAYER_RATIO * taken)) {
        const message = `a layer unpacks to more than ${LAYER_RATIO} times its size`;
        throw new RuntimeError("resource-exhausted", message);
      }
      yield chunk;
    }
  } catch (error) {
    throw explained(error);
  }
}
