import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { exitOf } from "../engine/wait.ts";
import { each } from "./each.ts";

export function command(find: FindHost): Command {
  return new Command("wait")
    .argument("<container...>")
    .description("Wait until containers have ended; print their exit codes.")
    .action(async (names: string[]) => {
      const host = await find();
      await each(names, async (name) => {
        const found = await withEngine(host, async ({ containers }) => containers.get(name));
        process.stdout.write(`${await exitOf(host, found)}\n`);
      });
    });
}
