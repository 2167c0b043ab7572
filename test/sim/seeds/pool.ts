import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { SEED_REAL_TIME_MS_MAX } from "../limits.ts";
import type { Script } from "../script.ts";

/** A worker's task: a script, with the bug of this name put back in if there is one. */
export type Task = { readonly script: Script; readonly mutant?: string | undefined };

/** The outcome of a script. */
export interface Verdict {
  readonly script: Script;
  readonly counts: readonly (readonly [name: string, times: number])[];
  readonly cpu_ms: number;
  /** The checker that found a broken property, and its message; undefined when all held. */
  readonly checker: string | undefined;
  readonly message: string | undefined;
}

export interface PoolOptions {
  /** Processes at a time. */
  readonly jobs: number;
  readonly clock: Clock;
  /** The next task, undefined when there is none left. */
  readonly next: () => Task | undefined;
  readonly onVerdict: (verdict: Verdict, task: Task) => void;
}

/** Runs tasks in processes of their own, each one after the other, until none is left. */
export async function runPool(options: PoolOptions): Promise<void> {
  const workers = Array.from({ length: options.jobs }, () => runWorker(options));
  await Promise.all(workers);
}

async function runWorker({ clock, next, onVerdict }: PoolOptions): Promise<void> {
  let worker: ChildProcess | undefined;
  let runs = 0;
  try {
    for (let task = next(); task; task = next()) {
      worker ??= fork(join(import.meta.dirname, "worker.ts"), { execArgv: WORKER_FLAGS });
      const verdict = await runOne(worker, task, clock);
      // A process that has ended, or hangs, is of no more use; an old one holds much memory.
      if (verdict.checker === PROCESS || ++runs % RUNS_OF_A_PROCESS === 0) {
        worker.kill("SIGKILL");
        worker = undefined;
      }
      onVerdict(verdict, task);
    }
  } finally {
    worker?.kill("SIGKILL");
  }
}

/** A run makes much that soon is garbage: with room for it a tenth of the time is saved. */
const WORKER_FLAGS = ["--max-semi-space-size=32"];
const PROCESS = "process";
const RUNS_OF_A_PROCESS = 100;

/** A task's verdict; one of its own when the process ends or takes too long. */
function runOne(worker: ChildProcess, task: Task, clock: Clock): Promise<Verdict> {
  const { script } = task;
  const failed = (message: string): Verdict => {
    return { script, counts: [], cpu_ms: 0, checker: PROCESS, message: `${PROCESS}: ${message}` };
  };
  return new Promise((resolve) => {
    const timer: Timer = clock.after(SEED_REAL_TIME_MS_MAX, () => {
      settle(failed(`no end after ${SEED_REAL_TIME_MS_MAX} ms`));
    });
    const settle = (verdict: Verdict) => {
      timer.cancel();
      worker.off("message", onMessage);
      worker.off("exit", onExit);
      resolve(verdict);
    };
    const onMessage = (verdict: unknown) => settle(verdict as Verdict);
    const onExit = (code: number | null) => settle(failed(`it ended with ${code}`));
    worker.on("message", onMessage);
    worker.on("exit", onExit);
    worker.send(task);
  });
}
