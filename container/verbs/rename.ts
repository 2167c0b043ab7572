import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { requireName } from "../engine/names.ts";

export function command(find: FindHost): Command {
  return new Command("rename")
    .argument("<container>")
    .argument("<name>")
    .description("Give a container another name.")
    .action(async (container: string, name: string) => {
      await withEngine(await find(), async ({ containers }) => {
        const found = containers.get(container);
        containers.requireFree(requireName("container", name));
        await containers.change(found, { name });
      });
    });
}
