import { assertLimits } from "./assert.ts";

/** The largest number of an int32 field of the API, and of a timer's milliseconds. */
export const INT32_MAX = 2 ** 31 - 1;

/** Characters of a quantity, so that no number takes long to read. */
export const QUANTITY_LENGTH_MAX = 256;

/** Names in one message about objects, whose number users choose. */
export const LISTED_MAX = 10;

/** Exponents of quantities beyond this reach the cap or vanish; bounding them bounds the work. */
export const QUANTITY_EXPONENT_MAX = 60;

/**
 * How long one turn of the event loop takes input from clients. A fraction of a tick of the store's
 * Raft, 100 ms, whose timers and peers run between the turns.
 */
export const INPUT_TURN_MS = 25;
/** The same of streams, probes and HTTP: while some flood, a log of a pod takes some 15 turns. */
export const SHORT_TURN_MS = 5;

/**
 * TLS handshakes of one address at a time: each takes a server some milliseconds. One that takes
 * longer than its turn waits for its client, and another may start.
 */
export const HANDSHAKES_UNDER_WAY_MAX = 16;
export const HANDSHAKE_TURN_MS = 1_000;

assertLimits({
  "an exponent within its bound fits into a quantity": QUANTITY_EXPONENT_MAX < QUANTITY_LENGTH_MAX,
});
