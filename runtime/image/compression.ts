import { PassThrough, type Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { RuntimeError } from "../errors.ts";

/**
 * The decompressor for a layer of this media type (OCI image spec, layer.md; docker's types).
 * An unknown compression is refused by name.
 */
function decompressorFor(mediaType: string): Transform {
  if (/[.+](?:tar\.)?gzip$/.test(mediaType)) return createGunzip();
  if (/[.+]zstd$/.test(mediaType)) return createZstdDecompress();
  if (/\.tar$/.test(mediaType)) return new PassThrough();
  throw new RuntimeError("unimplemented", `layers of type ${JSON.stringify(mediaType)}`);
}

/** A layer's tar, whatever it was compressed with. A failure of the source reaches the reader. */
export function decompress(source: Readable, mediaType: string): Readable {
  const decompressor = decompressorFor(mediaType);
  source.on("error", (error) => decompressor.destroy(error));
  decompressor.on("close", () => source.destroy());
  return source.pipe(decompressor);
}
