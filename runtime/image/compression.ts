import type { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "../errors.ts";
import { LAYER_PIECE_BYTES, LAYER_RATIO, LAYER_RATIO_FREE_BYTES } from "../limits.ts";

/**
 * The decompressor for a layer of this media type (OCI image spec, layer.md; docker's types);
 * undefined for none. An unknown compression is refused by name.
 */
function decompressorFor(mediaType: string): Transform | undefined {
  const [, compression] = /[.+](?:tar\.)?(gzip|zstd|tar)$/.exec(mediaType) ?? [];
  if (compression === "tar") return undefined;
  if (compression === undefined) {
    const type = JSON.stringify(mediaType.slice(0, 200));
    throw new RuntimeError("unimplemented", `layers of type ${type}`);
  }
  // The next piece is decompressed while one is written.
  const options = { chunkSize: LAYER_PIECE_BYTES, highWaterMark: 2 * LAYER_PIECE_BYTES };
  const decompressor =
    compression === "gzip" ? createGunzip(options) : createZstdDecompress(options);
  // Its reader meets the error, also one that comes before it reads.
  decompressor.on("error", () => decompressor.destroy());
  return decompressor;
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
  const decompressor = decompressorFor(mediaType);
  if (decompressor === undefined) return yield* source;
  let [taken, given] = [0, 0];
  async function* counted() {
    for await (const chunk of source) {
      taken += chunk.length;
      yield chunk;
    }
  }
  // The loop below meets the same failure; this keeps it from counting as unhandled.
  const feeding = pipeline(counted(), decompressor).then(
    () => undefined,
    () => undefined,
  );
  try {
    for await (const chunk of decompressor as AsyncIterable<Buffer>) {
      given += chunk.length;
      if (given > Math.max(LAYER_RATIO_FREE_BYTES, LAYER_RATIO * taken)) {
        const message = `a layer unpacks to more than ${LAYER_RATIO} times its size`;
        throw new RuntimeError("resource-exhausted", message);
      }
      yield chunk;
    }
  } catch (error) {
    throw explained(error);
  } finally {
    decompressor.destroy();
    await feeding;
  }
}
