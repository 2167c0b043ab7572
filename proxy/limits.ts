import { assertLimits } from "@raft2kube/std/assert.ts";

/** Delay between a change and the sync that applies it together with later changes. */
export const SYNC_DELAY_MS = 20;
/** Delay before the first retry of a failed transaction; doubled each time. */
export const RETRY_FIRST_MS = 500;
export const RETRY_MS_MAX = 30_000;
/** Interval between checks that the table exists; another program may flush the ruleset. */
export const VERIFY_MS = 5_000;
/** Elements in one statement of a transaction. */
export const ELEMENTS_PER_STATEMENT = 500;
/** Clients in one endpoint's affinity set; the kernel evicts none before its timeout. */
export const AFFINITY_CLIENTS = 65_535;
/** Default timeout of ClientIP affinity: upstream's 3 hours. */
export const AFFINITY_DEFAULT_S = 10_800;

assertLimits({
  "a retry waits longer than a sync collects changes": SYNC_DELAY_MS < RETRY_FIRST_MS,
  "the pause between retries grows": RETRY_FIRST_MS <= RETRY_MS_MAX,
});
