import { Command } from "commander";
import { attachHere } from "../engine/attach.ts";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { exitOf, pathsOf } from "../engine/wait.ts";
import { detachKeys } from "../run/flags.ts";
import { passSignals } from "../run/signals.ts";

export function command(find: FindHost): Command {
  return new Command("attach")
    .argument("<container>")
    .description("Take a running container's input and output.")
    .option("--no-stdin", "its output alone")
    .addOption(detachKeys())
    .action(async (name: string, flags: { stdin: boolean; detachKeys: string }) => {
      const host = await find();
      const found = await withEngine(host, async ({ containers }) => containers.running(name));
      const { tty, stdin } = found.record.config;
      const input = stdin && flags.stdin ? process.stdin : undefined;
      const paths = pathsOf(host).container(found.record.id);
      const { over } = attachHere(paths, input, { tty, keys: flags.detachKeys });
      const stop = passSignals(found, { tty });
      if ((await over) === "ended") process.exitCode = await exitOf(host, found);
      stop();
    });
}
