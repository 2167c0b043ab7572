import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { getImage } from "../engine/images.ts";

export function command(find: FindHost): Command {
  return new Command("tag")
    .argument("<image>")
    .argument("<name>")
    .description("Give an image one more name.")
    .action(async (image: string, name: string) => {
      await withEngine(await find(), async (engine) => {
        const { images } = engine.runtime;
        await images.receive(() => images.add(name, getImage(engine, image).manifestDigest));
      });
    });
}
