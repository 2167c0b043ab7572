import type { Clock } from "@raft2kube/std/clock.ts";
import { RECURRING_MS } from "./limits.ts";
import type { LogFields, Logger } from "./log.ts";

/**
 * Returns what logs a warning that others can cause as often as they like: at most every
 * RECURRING_MS, with the `times` since the last line.
 */
export function recurring(
  log: Pick<Logger, "warn">,
  message: string,
  clock: Pick<Clock, "monotonic">,
): (fields: LogFields) => void {
  let due_ms = -Infinity;
  let times = 0;
  return (fields) => {
    times++;
    if (clock.monotonic() < due_ms) return;
    log.warn(message, { ...fields, times });
    due_ms = clock.monotonic() + RECURRING_MS;
    times = 0;
  };
}
