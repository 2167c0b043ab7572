import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { loadArchive } from "@raft2kube/runtime/image/archive.ts";
import { Command } from "commander";
import type { FindHost } from "../engine/host.ts";
import { openImages } from "../engine/images.ts";
import { decompressed } from "../files/decompress.ts";

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

/** A file, or standard input for `-`; its reader meets its errors. */
export function openInput(file: string): Readable {
  if (file === "-") return process.stdin;
  const stream = createReadStream(file);
  stream.on("error", () => stream.destroy());
  return stream;
}
