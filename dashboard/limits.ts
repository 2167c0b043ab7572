import { assertLimits } from "@raft2kube/std/assert.ts";

/** A request's body: the API server takes no more than 3 MiB of an object. */
export const BODY_BYTES_MAX = 4 << 20;
/** Watches, logs and terminals that a page has open. */
export const STREAMS_MAX = 128;
/** Bytes that may wait for a side that reads slowly, before the other side is paused. */
export const WAITING_BYTES_MAX = 1 << 20;
/** A single message of a stream of the API server, or of a terminal. */
export const MESSAGE_BYTES_MAX = 4 << 20;
/** The body of a sign-in. */
export const TICKET_CHARS_MAX = 128;
export const FORWARDS_MAX = 32;
export const FORWARD_CONNECTIONS_MAX = 64;
/** Time until the API server has to answer the head of a request. */
export const ANSWER_TIMEOUT_MS = 60_000;

assertLimits({
  "a side is paused no later than after a message":
    WAITING_BYTES_MAX <= MESSAGE_BYTES_MAX,
});
