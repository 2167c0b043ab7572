import { assertLimits } from "@raft2kube/std/assert.ts";

/** Keys in one work queue: more than the objects of a large cluster. */
export const QUEUE_KEYS_MAX = 1_000_000;

/** Back-off of a key that keeps failing: doubles from the first to the second. */
export const QUEUE_BACKOFF_MS = 5;
export const QUEUE_BACKOFF_MS_MAX = 60_000;

/** Pauses of a runner that names none. */
export const RUNNER_RETRY_MS = 1_000;
export const RUNNER_RETRY_MS_MAX = 60_000;

/** How often a file of the configuration is looked at for changes (upstream's minute at most). */
export const FILE_RELOAD_MS = 10_000;

assertLimits({
  "a queue's pauses grow": QUEUE_BACKOFF_MS <= QUEUE_BACKOFF_MS_MAX,
  "a runner's pauses grow": RUNNER_RETRY_MS <= RUNNER_RETRY_MS_MAX,
});
