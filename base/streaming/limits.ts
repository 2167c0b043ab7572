import { assertLimits } from "@raft2kube/std/assert.ts";

/** Every bound of the streaming protocols, named. */

/** One SPDY frame; the format allows 16 MiB. */
export const FRAME_BYTES = 1 << 20;
/**
 * One header block, unpacked, and the headers in it. A stream keeps them: Kubernetes' clients send
 * three short ones.
 */
export const HEADER_BYTES = 2 << 10;
export const HEADERS = 32;
/** Streams that one connection may have: port-forward has two for each TCP connection. */
export const STREAMS = 1_000;
/** Bytes that a connection's streams may hold unread before it waits for their readers. */
export const STREAM_BUFFER_BYTES = 1 << 20;
/** A chunk's overhead beside its bytes: a Buffer, its memory block, a list item. */
export const PIECE_OVERHEAD_BYTES = 256;
/** Pieces of an owner's input in one turn of the event loop, after which none of it is read. */
export const PIECES_OF_TURN_MAX = 2_048;
/** How often a peer is pinged while none of its data is read. */
export const PING_MS = 10_000;
/** Answers to the peer's control frames that may wait to be sent before no more are read. */
export const CONTROL_BYTES = 64 << 10;
/** Bytes of one data frame or message. */
export const CHUNK_BYTES = 32 << 10;
/** How long a client may take to open the streams that it asked for. */
export const STREAM_CREATION_TIMEOUT_MS = 30_000;
/** How long what is still to be sent at the end may take. */
export const FLUSH_TIMEOUT_MS = 10_000;
/** One message over WebSocket. */
export const MESSAGE_BYTES = 1 << 20;
/** Interim answers (1xx) of a server to one request; a few are usual. */
export const INTERIM_ANSWERS_MAX = 16;
/** One order to resize a terminal. */
export const RESIZE_BYTES = 1_024;

assertLimits({
  "a chunk fits into a frame and a message":
    CHUNK_BYTES <= FRAME_BYTES && CHUNK_BYTES <= MESSAGE_BYTES,
  "a frame fits into a stream's buffer": FRAME_BYTES <= STREAM_BUFFER_BYTES,
  "control frames and headers are frames":
    CONTROL_BYTES <= FRAME_BYTES && HEADER_BYTES <= FRAME_BYTES,
  "the headers of a connection's streams take little memory":
    STREAMS * HEADER_BYTES <= 2 * STREAM_BUFFER_BYTES,
  "a size of a terminal fits into a message": RESIZE_BYTES <= MESSAGE_BYTES,
});
