import { formatReference, parseReference } from "@raft2kube/runtime/image/reference.ts";
import { Command } from "commander";
import type { FindHost } from "../engine/host.ts";
import { fetchImage, openImages } from "../engine/images.ts";
import { each } from "./each.ts";

export function command(find: FindHost): Command {
  return new Command("pull")
    .argument("<image...>")
    .description("Fetch images from their registries.")
    .option("-q, --quiet", "print nothing but the name")
    .action(async (names: string[], { quiet }: { quiet?: boolean }) => {
      const open = await openImages(await find());
      await each(names, async (name) => {
        const image = await fetchImage(open, name);
        if (!quiet) process.stderr.write(`${image.manifestDigest}\n`);
        process.stdout.write(`${formatReference(parseReference(name))}\n`);
      });
    });
}
