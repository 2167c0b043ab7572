import { assertLimits } from "@raft2kube/std/assert.ts";

/** The largest frame taken, and sent: the protocol's own default (RFC 9113, section 6.5.2). */
export const FRAME_BYTES_MAX = 16_384;

/** Flow-control windows: bytes on a connection and a stream before the receiver consumes them. */
export const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
export const STREAM_WINDOW_BYTES = 1024 * 1024;

/** A request's header fields, each with the 32 bytes that HPACK counts on top. */
export const HEADER_LIST_BYTES_MAX = 64 * 1024;
/** A header block as it is sent, over its HEADERS and all CONTINUATION frames. */
export const HEADER_BLOCK_BYTES_MAX = 64 * 1024;
/** CONTINUATION frames of one header block (CVE-2024-27983). */
export const CONTINUATIONS_MAX = 16;
/** Decoded header blocks that a connection keeps, so that a repeated head is decoded once. */
export const KNOWN_BLOCKS_MAX = 64;

/** Streams that a client may open and reset again: burst and rate (CVE-2023-44487). */
export const RESETS_MAX = 1_000;
export const RESETS_PER_S = 200;
/**
 * Frames without content (PING, SETTINGS, PRIORITY, empty DATA, ...): burst, rate, and how many for
 * each frame of data that we send.
 */
export const IDLE_FRAMES_MAX = 10_000;
export const IDLE_FRAMES_PER_S = 500;
export const IDLE_FRAMES_PER_DATA = 4;

/** Bytes in a socket whose peer does not read, before the connection is given up. */
export const UNREAD_BYTES_MAX = 4 * 1024 * 1024;
/** Answers of one connection that wait for its client to read; beyond it new calls are refused. */
export const WAITING_ANSWERS_BYTES_MAX = 64 * 1024 * 1024;

/**
 * A client looks so often whether its server has sent anything while calls are under way. One that
 * has not is asked by a PING, and left at the next look without an answer.
 */
export const SILENCE_LOOK_MS = 15_000;

/**
 * A connection without the peer's SETTINGS by then is closed, as is one that failed, or that we
 * have ended, and stays.
 */
export const SETTINGS_TIMEOUT_MS = 10_000;

assertLimits({
  "a frame fits into a stream's window": FRAME_BYTES_MAX <= STREAM_WINDOW_BYTES,
  "a stream's window is part of its connection's": STREAM_WINDOW_BYTES <= CONNECTION_WINDOW_BYTES,
  "the frames of a header block carry as much as it may have":
    HEADER_BLOCK_BYTES_MAX <= CONTINUATIONS_MAX * FRAME_BYTES_MAX,
  "a connection that does not read ends before its answers fill the memory":
    UNREAD_BYTES_MAX <= WAITING_ANSWERS_BYTES_MAX,
});
