import { assertLimits } from "@raft2kube/std/assert.ts";

/** Delay from a change to the sync of the overlay, which collects further changes. */
export const OVERLAY_SYNC_DELAY_MS = 50;
/**
 * Changes of the network that wait to be read while the thread is busy, as the kernel counts them:
 * those of 110 pods that start or end at a time, some 10 each of 4 KiB, twice.
 */
export const OVERLAY_CHANGES_BYTES = 8 * 1024 * 1024;
/** Interval of the overlay's syncs without a reported change. */
export const OVERLAY_VERIFY_MS = 15_000;
/** Pause after a sync that failed, doubled with each further one. */
export const OVERLAY_RETRY_FIRST_MS = 250;
/** The longest pause. */
export const OVERLAY_RETRY_MS_MAX = 10_000;
/** Packets of the UDP back end that wait to be sent; further ones are dropped, as by a link. */
export const UDP_SENDS_MAX = 512;

assertLimits({
  "a failed sync is tried again before the next periodic one":
    OVERLAY_RETRY_FIRST_MS < OVERLAY_VERIFY_MS,
  "pauses of the overlay grow": OVERLAY_RETRY_FIRST_MS < OVERLAY_RETRY_MS_MAX,
  "a pause is shorter than the time to the next periodic sync":
    OVERLAY_RETRY_MS_MAX < OVERLAY_VERIFY_MS,
});
