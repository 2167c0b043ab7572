import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { ROUND_RETRY_MS } from "./limits.ts";

const log = logger("apiserver");

/** Something that is made at a start, and kept right until the server closes. */
export interface Controller {
  /** Makes it; throws when that fails. */
  start(): Promise<void>;
  /** The server is about to close, and serves for a while yet: others are not to be led here. */
  leave?(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Returns a runner of a task of the server, whose first round is to be requested. `what` is logged
 * of a round that fails: `the lease was not renewed`; it is repeated after `retry_ms`, which
 * doubles up to the interval.
 */
export function periodic(
  clock: Clock,
  what: string,
  interval_ms: number,
  run: () => Promise<void> | void,
  retry_ms = ROUND_RETRY_MS,
): Runner {
  const retry = { first_ms: retry_ms, most_ms: interval_ms };
  return new Runner({ clock, run, max_ms: interval_ms, retry, report: failureLog(log, what) });
}
