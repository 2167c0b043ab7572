import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { layoutOf } from "@raft2kube/runtime/image/layout.ts";
import type { FindHost } from "../engine/host.ts";
import { getImage, openImages } from "../engine/images.ts";

export function command(find: FindHost): Command {
  return new Command("save").argument("<image...>")
    .description("Write images as a tar that load, docker, podman and skopeo read.")
    .option("-o, --output <file>", "by default standard output")
    .action(async (names: string[], { output }: { output?: string }) => {
      if (output === undefined && process.stdout.isTTY) {
        throw new RuntimeError("invalid-argument", "a tar is not for a terminal", {
          remedy: "-o FILE",
        });
      }
      const { images } = await openImages(await find());
      const found = names.map((name) => ({ name, image: getImage({ images }, name) }));
      const tar = Readable.from(layoutOf(images, found));
      const to = output === undefined ? process.stdout : createWriteStream(output, { mode: 0o600 });
      await pipeline(tar, to);
    });
}
