import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { removeHand } from "../engine/settle.ts";
import { each } from "./each.ts";

export function command(find: FindHost): Command {
  return new Command("rm")
    .argument("<container...>")
    .description("Remove containers.")
    .option("-f, --force", "those that run too; no error for one that is not there")
    .option("-v, --volumes", "with their anonymous volumes")
    .action(async (names: string[], flags: { force?: boolean; volumes?: boolean }) => {
      const host = await find();
      await each(names, async (name) => {
        await withEngine(host, async (engine) => {
          const found = flags.force ? engine.containers.find(name) : engine.containers.get(name);
          if (found === undefined) return;
          const { state } = found.record.phase;
          if (state === "running" && !flags.force) {
            throw new RuntimeError("failed-precondition", `container ${name} is running`, {
              remedy: `r2k container stop ${name}, or rm -f ${name}`,
            });
          }
          await removeHand(engine, found, { volumes: flags.volumes ?? false });
        });
        process.stdout.write(`${name}\n`);
      });
    });
}
