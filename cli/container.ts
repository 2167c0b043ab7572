// `r2k container`, and our OCI runtime that it may drive, as a program of one file, which loads in
// half the time of the shared bundle: the script `r2k` runs it.
import { constants } from "node:os";
import { isErrno } from "@raft2kube/std/errors.ts";
import { Command } from "commander";
import { command as container } from "./commands/container.ts";
import { runProgram } from "./terminal.ts";

async function main(words: readonly string[]): Promise<void> {
  const isOciRuntime = words[0] === "by-hand";
  const command = isOciRuntime ? (await import("./parts/by-hand.ts")).command : container;
  const root = new Command("r2k").enablePositionalOptions();
  root.addCommand(command(), { hidden: true });
  await root.parseAsync(words, { from: "user" });
}

// docker ends by SIGPIPE: a container goes on, and is removed by its monitor.
process.stdout.on("error", (error) => {
  if (!isErrno(error, "EPIPE")) throw error;
  process.exit(128 + constants.signals.SIGPIPE);
});

runProgram(main(process.argv.slice(2)));
