import { assertLimits } from "@raft2kube/std/assert.ts";

/**
 * A call without a deadline of its own ends after this; longer than etcd's own limit for a
 * proposal (7 s).
 */
export const CALL_TIMEOUT_MS = 15_000;

/** The largest answer taken, as etcd's own client: 2 GiB less one. */
export const MESSAGE_BYTES_MAX = 0x7fff_ffff;

/** An endpoint that failed is not asked for this long, doubled with each failure up to a bound. */
export const ENDPOINT_REST_MS = 500;
export const ENDPOINT_REST_MS_MAX = 8_000;

/**
 * A call that no endpoint takes is made again until it is so old, with a pause between rounds: as
 * long as etcd gives a proposal. A member whose static pod is replaced is away for 2 to 5 s.
 */
export const RETRIES_MS = 7_000;
export const RETRY_PAUSE_MS = 100;

assertLimits({
  "calls are made again within their time":
    RETRY_PAUSE_MS < RETRIES_MS && RETRIES_MS < CALL_TIMEOUT_MS,
  "the rest of an endpoint grows": ENDPOINT_REST_MS <= ENDPOINT_REST_MS_MAX,
});
