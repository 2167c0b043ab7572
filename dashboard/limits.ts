import { assertLimits } from "@raft2kube/std/assert.ts";
import type { ShareLimits } from "@raft2kube/std/shares.ts";

/** Connections of all browsers, and of who else reaches the port; each stream is one. */
export const CONNECTIONS_MAX = 2_048;
/** Bounds of our API server for an address, which is the pod's for all its users. */
const [UPSTREAM_CONNECTIONS_MAX, UPSTREAM_HANDSHAKES_MAX] = [1_024, 256];
/** Streams and requests under way, each with a connection to the API server; those of a user. */
export const UNDER_WAY_MAX: ShareLimits = { all: 896, each: 112, reserved: 0 };
/** Sign-ins that the API server is asked about: of all addresses, and of one. */
export const SIGN_INS_MAX: ShareLimits = { all: 32, each: 16, reserved: 0 };
/** Bytes that may wait for a side that reads slowly, before the other side is paused. */
export const WAITING_BYTES_MAX = 256 << 10;
/**
 * A single message of a terminal, which is kept until it is whole: kubelets send 32 KiB, a stolen
 * node what it likes.
 */
export const MESSAGE_BYTES_MAX = 512 << 10;
/** Part of the 512 MiB of the pod (`cli/addons`) that the streams of one user may have. */
const STREAMS_OF_USER_BYTES_MAX = 256 << 20;
/** A token that signs in: ours have less than 2,000 characters. */
export const TOKEN_CHARS_MAX = 8_192;
/** The head of a request, in which a session's secret has 4/3 of its token's size. */
export const HEAD_BYTES_MAX = 32 << 10;
/** Time after a sign-in with a token until the next one. */
export const SESSION_MS = 12 * 3_600_000;
/** The answer to a sign-in. */
export const REVIEW_BYTES_MAX = 64 << 10;
export const FORWARDS_MAX = 32;
export const FORWARD_CONNECTIONS_MAX = 64;
/** An answer that a page reads as one text (V8's limit); a stolen node's may have no end. */
export const ANSWER_BYTES_MAX = 512 << 20;
/** Time until the API server has to answer the head of a request. */
export const ANSWER_TIMEOUT_MS = 60_000;

assertLimits({
  "a side is paused no later than after a message": WAITING_BYTES_MAX <= MESSAGE_BYTES_MAX,
  "streams of one user leave memory to others":
    UNDER_WAY_MAX.each * (WAITING_BYTES_MAX + MESSAGE_BYTES_MAX) < STREAMS_OF_USER_BYTES_MAX,
  "a session's secret fits into the head of a request": 2 * TOKEN_CHARS_MAX < HEAD_BYTES_MAX,
  "one user, or address, has a part of all": UNDER_WAY_MAX.each < UNDER_WAY_MAX.all,
  "streams leave connections for requests": UNDER_WAY_MAX.all < CONNECTIONS_MAX,
  "the API server has connections for all":
    UNDER_WAY_MAX.all + SIGN_INS_MAX.all < UPSTREAM_CONNECTIONS_MAX,
  "two users leave handshakes to others": 2 * UNDER_WAY_MAX.each < UPSTREAM_HANDSHAKES_MAX,
});
