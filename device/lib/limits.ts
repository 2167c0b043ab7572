import { assertLimits } from "@raft2kube/std/assert.ts";

/** Interval of checks of the plugin directory, besides file events. */
export const RECHECK_MS = 5_000;

/** Backoff after a failed registration; doubles from the first to the second. */
export const REGISTER_BACK_OFF_MS = 250;
export const REGISTER_BACK_OFF_MS_MAX = 30_000;

/** Timeout of Register. */
export const REGISTER_TIMEOUT_MS = 10_000;

assertLimits({ "back-offs grow": REGISTER_BACK_OFF_MS <= REGISTER_BACK_OFF_MS_MAX });
