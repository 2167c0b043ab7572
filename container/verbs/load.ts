import { createReadStream } from "node:fs";
import { PassThrough, type Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { Command } from "commander";
import { loadArchive } from "@raft2kube/runtime/image/archive.ts";
import type { FindHost } from "../engine/host.ts";
import { openImages } from "../engine/images.ts";

export function command(find: FindHost): Command {
  return new Command("load")
    .description("Load the images of a tar: of save, docker, podman, skopeo.")
    .option("-i, --input <file>", "by default standard input")
    .option("-q, --quiet", "as without")
    .action(async ({ input }: { input?: string }) => {
      const source = openInput(input ?? "-");
      const { images } = await openImages(await find());
      const names = await loadArchive(images, await decompressed(source));
      for (const name of names) process.stdout.write(`Loaded image: ${name}\n`);
    });
}

/** A stream that may be compressed by gzip or zstd, as its first bytes say. */
export async function decompressed(source: Readable): Promise<Readable> {
  const first = await new Promise<Buffer>((resolve, reject) => {
    const take = () => {
      const chunk = source.read() as Buffer | null;
      if (chunk === null) return;
      source.off("readable", take);
      resolve(chunk);
    };
    source.on("readable", take).once("end", () => resolve(Buffer.alloc(0))).once("error", reject);
  });
  source.unshift(first);
  const magic = first.toString("hex", 0, 4);
  const kind = magic.startsWith("1f8b") ? "gzip" : magic === "28b52ffd" ? "zstd" : "none";
  const through = transformOf(kind);
  source.on("error", (error) => through.destroy(error));
  return source.pipe(through);
}

function transformOf(kind: "gzip" | "zstd" | "none"): Transform {
  const through =
    kind === "gzip" ? createGunzip() : kind === "zstd" ? createZstdDecompress() : new PassThrough();
  through.on("error", () => through.destroy());
  return through;
}

/** A file, or standard input for `-`; its reader meets its errors. */
export function openInput(file: string): Readable {
  if (file === "-") return process.stdin;
  const stream = createReadStream(file);
  stream.on("error", () => stream.destroy());
  return stream;
}
