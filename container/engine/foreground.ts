import { passSignals } from "../run/signals.ts";
import { attachHere } from "./attach.ts";
import type { HandContainer } from "./hand.ts";
import type { Host } from "./host.ts";
import { exitOf, pathsOf } from "./wait.ts";

/** Takes a container's input and output here, while it runs or before it is started. */
export function foreground(
  host: Host,
  { record: { id, config } }: HandContainer,
  { keys, isInput }: { keys: string; isInput: boolean },
) {
  const { tty } = config;
  const stdin = isInput ? process.stdin : undefined;
  const { over } = attachHere(pathsOf(host).container(id), stdin, { tty, keys });
  return {
    /** Waits for its end, passing signals on. Returns its exit code; undefined if it was left. */
    async code(started: HandContainer): Promise<number | undefined> {
      const stop = passSignals(started, { tty });
      const how = await over;
      stop();
      return how === "ended" ? exitOf(host, started) : undefined;
    },
  };
}
