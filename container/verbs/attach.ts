import { withEngine } from "../engine/engine.ts";
import { foreground } from "../engine/foreground.ts";
import { DETACH_KEYS } from "../run/flags.ts";
import { verb } from "../verb.ts";

export const attach = verb(
  "attach <container>",
  "Take a running container's input and output.",
  { "--no-stdin": "its output alone", ...DETACH_KEYS },
  async (host, [name], { stdin, detachKeys: keys }) => {
    const found = await withEngine(host, async ({ containers }) => containers.running(name));
    const isInput = stdin && found.record.config.stdin;
    process.exitCode = await foreground(host, found, { keys, isInput }).code(found);
  },
);
