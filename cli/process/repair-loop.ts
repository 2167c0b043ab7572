import type { Logger } from "@raft2kube/observe/log.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Closable } from "./started-parts.ts";

/** Interval between looks whether another program took something away. */
export const LOOK_MS = 15_000;

export interface RepairLoopOptions {
  /** Puts back what is missing; resolves with whether something was. */
  readonly repair: () => Promise<boolean>;
  /** As the log names it. */
  readonly what: string;
  readonly log: Pick<Logger, "warn">;
  readonly clock: Clock;
}

/**
 * Returns what logs failures of something that is tried again: each once, until another follows or
 * none, which is a call without one.
 */
export function failureLog(
  log: Pick<Logger, "warn">,
  message: string,
): (thrown?: unknown) => void {
  let last: string | undefined;
  return (thrown) => {
    const error = thrown === undefined ? undefined : messageOf(thrown);
    if (error !== undefined && error !== last) log.warn(message, { error });
    last = error;
  };
}

/** Repairs now and each LOOK_MS until it is closed; after the first time the log says so. */
export function startRepairLoop({ repair, what, log, clock }: RepairLoopOptions): Closable {
  let timer: Timer | undefined;
  let closed = false;
  // The first look knows of no earlier one.
  let isFirst = true;
  const logFailure = failureLog(log, `${what} cannot be checked, trying again`);
  let looking: Promise<void>;
  const look = () => {
    looking = repair().then((wasMissing) => {
      if (wasMissing && !isFirst) log.warn(`another program changed ${what}; put back`);
      isFirst = false;
      logFailure();
    }, logFailure).then(() => {
      if (!closed) timer = clock.after(LOOK_MS, look);
    });
  };
  look();
  return {
    async close() {
      closed = true;
      timer?.cancel();
      await looking;
    },
  };
}
