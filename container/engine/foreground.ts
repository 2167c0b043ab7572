import { logger } from "@raft2kube/observe/log.ts";
import { signal } from "@raft2kube/runtime/process-identity.ts";
import { join } from "@raft2kube/runtime/streaming/join.ts";
import { clientHere } from "./client.ts";
import type { HandContainer } from "./hand.ts";
import type { Host } from "./host.ts";
import { exitOf, pathsOf } from "./wait.ts";

const PASSED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

/** Passes signals that this command gets to the container's process, until disposed of. */
function passSignals({ record: { phase } }: HandContainer): Disposable {
  const pass = (name: NodeJS.Signals) => {
    if (phase.state === "running") signal(phase.process, name);
  };
  for (const name of PASSED) process.on(name, pass);
  return {
    [Symbol.dispose]() {
      for (const name of PASSED) process.off(name, pass);
    },
  };
}

/** Takes a container's input and output here, while it runs or before it is started. */
export function foreground(
  host: Host,
  { record: { id, config } }: HandContainer,
  { keys, isInput }: { keys: string; isInput: boolean },
) {
  const { tty } = config;
  const client = clientHere({ tty, isInput, keys });
  const at = { paths: pathsOf(host), log: logger("container") };
  const over = join(at, id, client, { leavesAtEnd: false }).finally(() => client[Symbol.dispose]());
  over.catch(() => undefined); // the caller waits for it after the start
  return {
    /** Waits for its end, passing signals on. Returns its exit code; undefined if it was left. */
    async code(started: HandContainer): Promise<number | undefined> {
      using _ = tty ? undefined : passSignals(started);
      await over;
      return client.gone.aborted ? undefined : exitOf(host, started);
    },
  };
}
