import type { Logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

/** Interval between looks whether another program took something away. */
export const LOOK_MS = 15_000;

export interface RepairLoopOptions {
  /** Puts back what is missing; resolves with whether something was. */
  readonly repair: () => Promise<boolean>;
  /** Name of the loop in the log. */
  readonly what: string;
  readonly log: Pick<Logger, "warn">;
  readonly clock: Clock;
}

/** Repairs now and each LOOK_MS until it is closed; after the first time the log says so. */
export function startRepairLoop({ repair, what, log, clock }: RepairLoopOptions): Runner {
  // The first look knows of no earlier one.
  let isFirst = true;
  const runner = new Runner({
    clock,
    max_ms: LOOK_MS,
    retry: { first_ms: LOOK_MS, most_ms: LOOK_MS },
    async run() {
      const wasMissing = await repair();
      if (wasMissing && !isFirst) log.warn(`another program changed ${what}; put back`);
      isFirst = false;
    },
    report: failureLog(log, `${what} cannot be checked`),
  });
  runner.request();
  return runner;
}
