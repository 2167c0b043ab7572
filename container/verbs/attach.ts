import { Command, Option } from "commander";
import { attachHere } from "../engine/attach.ts";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { exitOf, pathsOf } from "../engine/wait.ts";
import { passSignals } from "../run/signals.ts";

export function command(find: FindHost): Command {
  return new Command("attach")
    .argument("<container>")
    .description("Take a running container's input and output.")
    .option("--no-stdin", "its output alone")
    .addOption(new Option("--detach-keys <keys>", "leave it running").default("ctrl-p,ctrl-q"))
    .action(async (name: string, flags: { stdin: boolean; detachKeys: string }) => {
      const host = await find();
      const found = await withEngine(host, async ({ containers }) => containers.running(name));
      const { tty, stdin } = found.record.config;
      const ends = {
        stdin: stdin && flags.stdin ? process.stdin : undefined,
        stdout: process.stdout,
        stderr: process.stderr,
      };
      const paths = pathsOf(host).container(found.record.id);
      const { over } = attachHere(paths, ends, { tty, detachKeys: flags.detachKeys });
      const stop = passSignals(found, { tty });
      if ((await over) === "ended") process.exitCode = await exitOf(host, found);
      stop();
    });
}
