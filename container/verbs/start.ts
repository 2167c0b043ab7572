import { each } from "../engine/each.ts";
import { withEngine } from "../engine/engine.ts";
import { foreground } from "../engine/foreground.ts";
import { startHand } from "../engine/start.ts";
import { print } from "../format/list.ts";
import { DETACH_KEYS } from "../run/flags.ts";
import { verb } from "../verb.ts";

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
      let here: ReturnType<typeof foreground> | undefined;
      const started = await withEngine(host, (engine) => {
        const found = engine.containers.get(name);
        const created = async () => {
          here = foreground(host, found, { keys, isInput: interactive });
        };
        return startHand(engine, found, attach || interactive ? { created } : {});
      });
      if (here === undefined) print([name]);
      else process.exitCode = await here.code(started);
    }),
);
