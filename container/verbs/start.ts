import { stopContainer } from "@raft2kube/runtime/container/stop.ts";
import { Command } from "commander";
import { attachHere } from "../engine/attach.ts";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { release } from "../engine/settle.ts";
import { startHand } from "../engine/start.ts";
import { exitOf, pathsOf } from "../engine/wait.ts";
import { detachKeys } from "../run/flags.ts";
import { integerOf } from "../run/values.ts";
import { each, eachIn } from "./each.ts";

type Flags = { attach?: boolean; interactive?: boolean; detachKeys: string };

export function command(find: FindHost): Command {
  return new Command("start")
    .argument("<container...>")
    .description("Start containers again.")
    .option("-a, --attach", "with their output here")
    .option("-i, --interactive", "with input too")
    .addOption(detachKeys())
    .action(async (names: string[], flags: Flags) => {
      const host = await find();
      await each(names, async (name) => {
        const { attach, interactive, detachKeys: keys } = flags;
        let over: Promise<"ended" | "detached"> | undefined;
        const started = await withEngine(host, (engine) => {
          const found = engine.containers.get(name);
          const { tty } = found.record.config;
          const stdin = interactive ? process.stdin : undefined;
          const paths = pathsOf(host).container(found.record.id);
          const created = async () => {
            over = attachHere(paths, stdin, { tty, keys }).over;
          };
          return startHand(engine, found, attach || interactive ? { created } : {});
        });
        if (over === undefined) process.stdout.write(`${name}\n`);
        else if ((await over) === "ended") process.exitCode = await exitOf(host, started);
      });
    });
}

/** `restart`: stop, then start. */
export function restartCommand(find: FindHost): Command {
  return new Command("restart")
    .argument("<container...>")
    .description("Stop containers, and start them.")
    .option("-t, --time <seconds>", "between the stop signal and SIGKILL")
    .action((names: string[], { time }: { time?: string }) =>
      eachIn(find, names, async (engine, name) => {
        const found = engine.containers.get(name);
        const grace_s = time === undefined ? found.hand.stopTimeout_s : integerOf("-t", time);
        await engine.containers.hold(found);
        await stopContainer(engine.runtime, found.record.id, grace_s);
        const ended = engine.containers.again(found);
        await release(engine, { ...ended, hand: { ...ended.hand, removesItself: false } });
        await startHand(engine, ended);
      }),
    );
}
