import { byHand } from "@raft2kube/runtime/by-hand/main.ts";
import { Command } from "commander";

/** `r2k by-hand`: our OCI runtime, with the words of crun. It reads its command line itself. */
export function command(): Command {
  return new Command("by-hand")
    .description("Our own OCI runtime: create, start, state, kill, delete, update, exec.")
    .allowUnknownOption()
    .allowExcessArguments()
    .argument("[words...]", "as crun's")
    .action(async () => {
      process.exitCode = await byHand(process.argv.slice(process.argv.indexOf("by-hand") + 1));
    });
}
