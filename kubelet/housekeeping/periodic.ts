import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";

const log = logger("kubelet-housekeeping");

export interface Chore {
  name: string;
  period_ms: number;
  run(): Promise<void>;
}

/** Does chores again and again, each on its own period; one that fails is done again next time. */
export function startChores(chores: Chore[], clock: Clock): { close(): Promise<void> } {
  const end = new AbortController();
  const running = chores.map((chore) => repeat(chore, clock, end.signal));
  return {
    async close() {
      end.abort();
      await Promise.all(running);
    },
  };
}

async function repeat(
  { name, period_ms, run }: Chore,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await delay(clock, period_ms, signal);
    if (signal.aborted) return;
    try {
      await run();
    } catch (thrown) {
      if (signal.aborted) return;
      log.warn(`${name} failed`, { error: messageOf(thrown) });
    }
  }
}
