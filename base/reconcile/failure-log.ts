import type { Logger } from "@raft2kube/observe/log.ts";
import { messageOf, remedyOf } from "@raft2kube/std/errors.ts";

/** Takes the outcome of each attempt: what was thrown, or nothing after a success. */
export type ReportOutcome = (thrown?: unknown) => void;

/**
 * Logs the failures of something that is tried again: one line until the message changes or an
 * attempt succeeds.
 */
export function failureLog(log: Pick<Logger, "warn">, what: string): ReportOutcome {
  let last: string | undefined;
  return (thrown) => {
    const error = thrown === undefined ? undefined : messageOf(thrown);
    if (error !== undefined && error !== last) {
      const remedy = remedyOf(thrown);
      log.warn(`${what}, trying again`, { error, ...(remedy === undefined ? {} : { remedy }) });
    }
    last = error;
  };
}
