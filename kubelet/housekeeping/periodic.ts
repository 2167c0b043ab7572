import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";

const log = logger("kubelet-housekeeping");

export interface PeriodicTask {
  name: string;
  period_ms: number;
  /** May give another pause until the next time, in milliseconds. */
  run(): Promise<void | number>;
}

/** Runs each task once in its period. A run that failed is logged; the next one is on time. */
export function startPeriodicTasks(
  tasks: PeriodicTask[],
  clock: Clock,
): { close(): Promise<void> } {
  const end = new AbortController();
  const running = tasks.map((task) => repeat(task, clock, end.signal));
  return {
    async close() {
      end.abort();
      await Promise.all(running);
    },
  };
}

async function repeat(
  { name, period_ms, run }: PeriodicTask,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (let pause_ms = period_ms; ; ) {
    await delay(clock, pause_ms, signal);
    if (signal.aborted) return;
    pause_ms = period_ms;
    try {
      pause_ms = (await run()) ?? period_ms;
    } catch (thrown) {
      if (signal.aborted) return;
      log.warn(`${name} failed`, { error: messageOf(thrown) });
    }
  }
}
