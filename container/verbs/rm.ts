import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command } from "commander";
import type { FindHost } from "../engine/host.ts";
import { removeHand } from "../engine/settle.ts";
import { stateOf } from "../engine/state.ts";
import { eachIn } from "./each.ts";

export function command(find: FindHost): Command {
  return new Command("rm")
    .argument("<container...>")
    .description("Remove containers.")
    .option("-f, --force", "those that run too; no error for one that is not there")
    .option("-v, --volumes", "with their anonymous volumes")
    .action((names: string[], flags: { force?: boolean; volumes?: boolean }) =>
      eachIn(find, names, async (engine, name) => {
        const found = flags.force ? engine.containers.find(name) : engine.containers.get(name);
        if (found === undefined) return;
        const state = stateOf(engine, found);
        if (state !== "created" && state !== "exited" && !flags.force) {
          throw new RuntimeError("failed-precondition", `container ${name} is ${state}`, {
            remedy: `r2k container stop ${name}, or rm -f ${name}`,
          });
        }
        await removeHand(engine, found, { volumes: flags.volumes ?? false });
      }),
    );
}
