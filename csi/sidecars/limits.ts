import type { Pauses } from "@raft2kube/reconcile/backoff.ts";
import { assertLimits } from "@raft2kube/std/assert.ts";
import { COPIES_MAX } from "../lib/limits.ts";

/** Calls of the driver that create and delete (upstream's default is 15 s; copies take longer). */
export const CONTROLLER_CALL_TIMEOUT_MS = 60_000;

/** Calls that only read the driver's identity. */
export const DRIVER_INFO_TIMEOUT_MS = 10_000;

/** A driver that does not answer yet is asked again after this. */
export const DRIVER_RETRY_MS = 1_000;

/** A claim or volume that failed is tried again after this, doubled up to the most (upstream's). */
export const RETRY_MS = 1_000;
export const RETRY_MS_MAX = 5 * 60_000;
export const RETRY: Pauses = { first_ms: RETRY_MS, most_ms: RETRY_MS_MAX };

/** A claim for another node that its provisioner has not taken by then may fit none. */
export const OTHERS_TAKE_MS = 5_000;

/** How late the informer may be with a volume that was made here. */
export const UNSEEN_MS_MAX = 10_000;

/** A driver's free space is published again after this, upstream's --capacity-poll-interval. */
export const CAPACITY_POLL_MS = 60_000;
/** The driver's node owns what is published; until it is registered it is looked for again. */
export const NODE_LOOK_MS = 100;

/** Volumes' conditions are read again after this, upstream's --list-volumes-interval. */
export const HEALTH_POLL_MS = 5 * 60_000;

/** Volumes of one answer, and answers, of a driver that lists its volumes. */
export const LISTED_VOLUMES_MAX = 100;
export const LISTED_PAGES_MAX = 5_000;

/**
 * An answer of the driver, which is decoded in one turn: of empty messages, 2 bytes each, a
 * megabyte takes half a second. The longest are lists of LISTED_VOLUMES_MAX volumes.
 */
export const DRIVER_ANSWER_BYTES_MAX = 256 * 1024;

/** A driver's text about the condition of a volume, in an event (of 1,024 at most). */
export const CONDITION_CHARS_MAX = 700;

/** Combinations of the topologies that one term of a class allows. */
export const TOPOLOGIES_MAX = 1_000;

/**
 * Concurrent calls that make, delete, grow and attach volumes; one namespace has half of those for
 * claims.
 */
export const PROVISION_WORKERS = 16;
export const DELETE_WORKERS = 4;
export const RESIZE_WORKERS = 8;
export const MODIFY_WORKERS = 8;
/** Upstream's --worker-threads. */
export const ATTACH_WORKERS = 10;

assertLimits({
  "a driver's copies leave workers to other claims": COPIES_MAX < PROVISION_WORKERS,
  "back-offs grow": RETRY_MS <= RETRY_MS_MAX,
  "a driver's identity call takes less time than other calls":
    DRIVER_INFO_TIMEOUT_MS <= CONTROLLER_CALL_TIMEOUT_MS,
});
