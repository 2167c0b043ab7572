import { assertLimits } from "@raft2kube/std/assert.ts";

/** Estimated time of a request's work, until its real time is known (upstream's). */
export const SERVICE_S = 0.003;

/** Bytes of a list that take one seat (upstream's). */
export const BYTES_PER_SEAT = 100_000;
/** Bytes of a list from the cache that are counted at most (upstream's). */
export const LIST_FROM_CACHE_BYTES_MAX = 1_000_000;
/** Seats of one list, in a level where that is less than its own bound (upstream's). */
export const LIST_SEATS_MAX = 100;
/** Part of a level's seats that one list may take (upstream's). */
export const LEVEL_SEATS_OF_LIST = 0.15;

/** Watchers of an object whose events take one seat after a write, and how long (upstream's). */
export const WATCHERS_PER_SEAT = 10;
export const EVENT_MS = 5;
/** Seats that a write keeps for its events, with more watchers for longer (upstream's). */
export const WRITE_SEATS_MAX = 10;

/** How often seats are lent again between levels (upstream's). */
export const ADJUST_INTERVAL_MS = 10_000;
/** Weight of the past in a level's smoothed demand: it halves in 5 minutes (upstream's). */
export const DEMAND_SMOOTHING = 0.977;
/** Least target of a level when seats are divided, which avoids a division by 0 (upstream's). */
export const TARGET_MIN = 0.001;

/** The longest time that clients of an overloaded level are asked to wait (upstream's). */
export const RETRY_AFTER_S_MAX = 32;

/** Part of the time left to a request that it may spend in a queue (upstream's). */
export const WAIT_PART = 0.25;

/** Part of the seats that other flows leave which one flow may have (not upstream). */
export const SEATS_OF_FLOW = 0.75;

/** Flows of one level whose queues are remembered; more are dealt again. */
export const HANDS_MAX = 10_000;

assertLimits({
  "a part is less than all":
    LEVEL_SEATS_OF_LIST < 1 && WAIT_PART < 1 && DEMAND_SMOOTHING < 1 && SEATS_OF_FLOW < 1,
  "a list is counted by some seats": BYTES_PER_SEAT < LIST_FROM_CACHE_BYTES_MAX,
});
