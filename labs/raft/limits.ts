/** One step of a member's clock. */
export const TICK_MS = 10;
/** Election timeouts are drawn between 200 and 400 ms; heartbeats go out every 50 ms. */
export const ELECTION_TICKS = 20;
export const HEARTBEAT_TICKS = 5;
/** In this time a healthy majority has elected a leader, whatever happened before. */
export const ELECTION_MS = 1_000;

/** How long a write takes to become durable, and a message to arrive on a good day. */
export const DISK_MS = 0.5;
export const LATENCY_MS = 0.5;

/** The bad network: delays up to this, a share of messages lost, a share of answers much later. */
export const UNRELIABLE_DELAY_MS = 27;
export const UNRELIABLE_LOSS = 0.1;
export const REORDERED_SHARE = 2 / 3;
export const REORDERED_DELAY_MS = 2_200;

/** How long a client goes on before it says that the cluster does not answer. */
export const AGREEMENT_MS = 10_000;
/** How long it waits for one attempt. */
export const ATTEMPT_MS = 2_000;

/** Envelope of a message and of an entry on the wire, about. */
export const MESSAGE_BYTES = 64;
export const ENTRY_BYTES = 32;

/** What the diagram of a failure shows. */
export const DIAGRAM_LINES = 40;
/** How many events of a run are remembered for it. */
export const TRACE_EVENTS_MAX = 2_000;
