import { each } from "../engine/each.ts";
import { withEngine } from "../engine/engine.ts";
import { exitOf } from "../engine/wait.ts";
import { print } from "../format/list.ts";
import { verb } from "../verb.ts";

export const wait = verb(
  "wait <container...>",
  "Wait until containers have ended; print their exit codes.",
  {},
  async (host, [names]) =>
    each(names, async (name) => {
      const found = await withEngine(host, async ({ containers }) => containers.get(name));
      print([String(await exitOf(host, found))]);
    }),
);
