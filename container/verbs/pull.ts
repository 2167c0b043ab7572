import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { fetchImage } from "../engine/images.ts";
import { each } from "./each.ts";

export function command(find: FindHost): Command {
  return new Command("pull")
    .argument("<image...>")
    .description("Fetch images from their registries.")
    .option("-q, --quiet", "print nothing but the name")
    .action(async (names: string[], { quiet }: { quiet?: boolean }) => {
      const host = await find();
      await each(names, async (name) => {
        const image = await withEngine(host, (engine) => fetchImage(engine, name));
        if (!quiet) process.stderr.write(`${image.manifestDigest}\n`);
        process.stdout.write(`${image.repoTags[0] ?? image.repoDigests[0] ?? image.id}\n`);
      });
    });
}
