import { Command } from "commander";
import type { FindHost } from "../engine/host.ts";
import { getImage, openImages } from "../engine/images.ts";

export function command(find: FindHost): Command {
  return new Command("tag")
    .argument("<image>")
    .argument("<name>")
    .description("Give an image one more name.")
    .action(async (image: string, name: string) => {
      const { images } = await openImages(await find());
      await images.receive(() => images.add(name, getImage({ images }, image).manifestDigest));
    });
}
