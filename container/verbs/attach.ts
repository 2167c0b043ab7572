import { attachHere } from "../engine/attach.ts";
import { withEngine } from "../engine/engine.ts";
import { exitOf, pathsOf } from "../engine/wait.ts";
import { DETACH_KEYS } from "../run/flags.ts";
import { passSignals } from "../run/signals.ts";
import { verb } from "../verb.ts";

export const attach = verb(
  "attach <container>",
  "Take a running container's input and output.",
  { "--no-stdin": "its output alone", ...DETACH_KEYS },
  async (host, [name], flags) => {
    const found = await withEngine(host, async ({ containers }) => containers.running(name));
    const { tty, stdin } = found.record.config;
    const input = stdin && flags.stdin ? process.stdin : undefined;
    const paths = pathsOf(host).container(found.record.id);
    const { over } = attachHere(paths, input, { tty, keys: flags.detachKeys });
    const stop = passSignals(found, { tty });
    if ((await over) === "ended") process.exitCode = await exitOf(host, found);
    stop();
  },
);
