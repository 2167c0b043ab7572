import { attachHere } from "../engine/attach.ts";
import { withEngine } from "../engine/engine.ts";
import { startHand } from "../engine/start.ts";
import { exitOf, pathsOf } from "../engine/wait.ts";
import { print } from "../format/list.ts";
import { DETACH_KEYS } from "../run/flags.ts";
import { verb } from "../verb.ts";
import { each } from "./each.ts";

export const start = verb(
  "start <container...>",
  "Start containers again.",
  {
    "-a, --attach": "with their output here",
    "-i, --interactive": "with input too",
    ...DETACH_KEYS,
  },
  async (host, [names], { attach, interactive, detachKeys: keys }) =>
    each(names, async (name) => {
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
      if (over === undefined) print([name]);
      else if ((await over) === "ended") process.exitCode = await exitOf(host, started);
    }),
);
