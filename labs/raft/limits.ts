/** One step of a member's clock. */
export const TICK_MS = 10;
/** Election timeouts are drawn between 200 and 400 ms; heartbeats go out every 50 ms. */
export const ELECTION_TICKS = 20;
export const HEARTBEAT_TICKS = 5;
/** Time in which a healthy majority has elected a leader, from any state. */
export const ELECTION_MS = 1_000;

/** How long a write takes to become durable, and a message to arrive over a reliable network. */
export const DISK_MS = 0.5;
export const LATENCY_MS = 0.5;

/** Unreliable network: delays up to this, a share of messages lost, a share of replies late. */
export const UNRELIABLE_DELAY_MS = 27;
export const UNRELIABLE_LOSS = 0.1;
export const REORDERED_SHARE = 2 / 3;
export const REORDERED_DELAY_MS = 2_200;

/** How long a client retries before the check fails. */
export const AGREEMENT_MS = 10_000;
/** How long a client waits for one attempt. */
export const ATTEMPT_MS = 2_000;

/** Approximate overhead of a message and of an entry on the wire. */
export const MESSAGE_BYTES = 64;
export const ENTRY_BYTES = 32;

/** Rejections of one follower in a row, before it has accepted an append: no search is longer. */
export const REJECTIONS_MAX = 500;

/** Lines of a failure's diagram. */
export const DIAGRAM_LINES = 30;
/** Events of a run that are kept for the diagram. */
export const TRACE_EVENTS_MAX = 2_000;
/** How long other seeds are tried, after a failed run, for one with a shorter diagram. */
export const SIMPLER_SEEDS_MS = 300;
