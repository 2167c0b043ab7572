import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { ProcessName } from "../spec/processes.ts";
import { CommandError, type Progress } from "../terminal.ts";

/** The surroundings in which a step is applied. */
export interface Context {
  readonly clock: Clock;
  /** Aborts on Ctrl-C: a step ends as soon as it can, and may be incomplete. */
  readonly signal: AbortSignal;
  /** How long a node may take to be Ready. */
  readonly readyTimeout_ms: number;
  readonly progress: Pick<Progress, "note">;
  /** Runs a part of the work under a title. Rejects if the signal has aborted by its end. */
  step<T>(title: string, work: () => Promise<T>): Promise<T>;
  /** A client as the cluster's admin, for the control plane that runs. */
  client(): Promise<KubeClient>;
  /** Processes that were started ahead of their step, which lets them go on. */
  readonly ahead: Map<ProcessName, { go(): void; readonly ready: Promise<void> }>;
  /** Number of objects of the demo that this call created. */
  demoObjects?: number;
  /** Called when the configuration is written: its address ranges are taken from then on. */
  written?(): Promise<void>;
}

/** The part of a context that says how long a process may take to start, and what ends it. */
export type StartContext = Pick<Context, "clock" | "signal" | "readyTimeout_ms">;

/**
 * Work that does not end by the signal: rejects with CommandError `INTERRUPTED` when that aborts,
 * while the work goes on. Its results are removed when the step is undone.
 */
export function untilAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new CommandError("INTERRUPTED", "interrupted"));
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    work()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", stop));
  });
}
