import { createReadStream } from "node:fs";
import { PassThrough, type Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { Command } from "commander";
import { loadArchive } from "@raft2kube/runtime/image/archive.ts";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";

export function command(find: FindHost): Command {
  return new Command("load").description("Load the images of a tar: of save, docker, podman, skopeo.")
    .option("-i, --input <file>", "by default standard input")
    .option("-q, --quiet", "as without")
    .action(async ({ input }: { input?: string }) => {
      const source = input === undefined ? process.stdin : createReadStream(input);
      const names = await withEngine(await find(), async ({ runtime }) => {
        return loadArchive(runtime.images, await decompressed(source));
      });
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
  const through = magic.startsWith("1f8b") ? createGunzip()
    : magic === "28b52ffd" ? createZstdDecompress() : new PassThrough();
  source.once("error", (error) => through.destroy(error));
  return source.pipe(through);
}
