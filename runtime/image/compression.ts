import { PassThrough, type Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { RuntimeError } from "../errors.ts";

/**
 * A layer's tar, whatever it was compressed with (OCI image spec, layer.md; docker's types). An
 * unknown compression is refused by name. A failure of the source reaches the reader.
 */
export function decompress(source: Readable, mediaType: string): Readable {
  const [, compression] = /[.+](?:tar\.)?(gzip|zstd|tar)$/.exec(mediaType) ?? [];
  if (compression === undefined) {
    throw new RuntimeError("unimplemented", `layers of type ${JSON.stringify(mediaType)}`);
  }
  const decompressor =
    compression === "gzip" ? createGunzip()
    : compression === "zstd" ? createZstdDecompress()
    : new PassThrough();
  // Its reader meets the error, also one that comes before it reads.
  decompressor.on("error", () => decompressor.destroy());
  source.on("error", (error) => decompressor.destroy(error));
  decompressor.on("close", () => source.destroy());
  return source.pipe(decompressor);
}
