import { STREAM_WINDOW_BYTES, WAITING_ANSWERS_BYTES_MAX } from "@raft2kube/h2/limits.ts";
import { assertLimits } from "@raft2kube/std/assert.ts";

/** The largest message that a client or server accepts by default: CRI's 16 MiB. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Messages within one request, which is decoded in one turn, before it is known who sent it: 0.1 s.
 * A larger request may have one for so many of its bytes, as variables of a container.
 */
export const REQUEST_MESSAGES_MIN = 100_000;
export const BYTES_OF_MESSAGE = 16;

/** A unary call without a deadline of its own ends after this. */
export const CALL_TIMEOUT_MS = 120_000;

/** Streams one connection may have open (etcd's default is unlimited, HTTP/2 advises >= 100). */
export const CONCURRENT_STREAMS_MAX = 10_000;

/**
 * The text of a call's error as it is sent: with the other trailers less than the 8 KiB that every
 * client takes (PROTOCOL-HTTP2.md).
 */
export const ERROR_TEXT_BYTES_MAX = 6 * 1024;

/** Open connections of a server; more are closed as they come. */
export const CONNECTIONS_MAX = 20_000;

/** TLS: connections whose handshake is not done, and how long it may take from its start. */
export const HANDSHAKE_PLACES = { ofAddress: 256, all: 2_048 } as const;
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** How long a closing server waits for calls under way before it cuts them. */
export const SHUTDOWN_GRACE_MS = 2_000;

/** Longest path of a Unix socket: sockaddr_un has 108 bytes, its terminating zero included. */
export const SOCKET_PATH_BYTES_MAX = 107;

/** How long a socket that its disk had no room for waits, at most, until it is tried again. */
export const SOCKET_RETRY_MS_MAX = 10_000;

/** Time until a connection must have shown its protocol by its first bytes. */
export const FIRST_BYTES_TIMEOUT_MS = 10_000;

/** HTTP/1.1: the headers of a request must be complete after this, and when that is looked at. */
export const HEADERS_TIMEOUT_MS = 20_000;
export const HEADERS_CHECK_MS = 5_000;

/** The kernel asks a silent peer whether it is still there after this. */
export const KEEP_ALIVE_MS = 30_000;

/** Requests of all connections that are not complete yet; beyond it they are refused. */
export const UNFINISHED_REQUESTS_BYTES_MAX = 256 * 1024 * 1024;
/** Messages of one stream that wait for the handler before its client is held back. */
export const STREAM_REQUESTS_BYTES_MAX = 256 * 1024;
/** The part of an answer that one turn of the loop encodes, where a list has more items. */
export const ANSWER_PARTS = { items_max: 250, bytes: 256 * 1024 } as const;
/** Bytes that one stream may queue for its client before its handler gets back-pressure. */
export const STREAM_ANSWERS_BYTES_MAX = 64 * 1024;
/**
 * Answers of all connections that wait for their clients. Beyond it connections end that would take
 * longer than that for theirs, at the pace between two looks.
 */
export const UNREAD_ANSWERS_BYTES_MAX = 256 * 1024 * 1024;
export const UNREAD_ANSWERS_TIME_MS = 10_000;
export const UNREAD_ANSWERS_LOOK_MS = 1_000;
/** A stream of answers to one request ends when those that wait are not taken within this. */
export const STALLED_ANSWERS_TIMEOUT_MS = 60_000;
/** A unary request must be complete after this (slow bodies). */
export const REQUEST_TIMEOUT_MS = 60_000;

/** Client: a connection that is not ready for calls by then is given up. */
export const CONNECT_TIMEOUT_MS = 20_000;
/** Client: for how long calls fail immediately after a failed connection; longer each time. */
export const RECONNECT_MS_MIN = 100;
export const RECONNECT_MS_MAX = 3_000;
export const RECONNECT_GROWTH = 1.6;
/** Client: calls of one channel that wait for a connection, or for room on it. */
export const WAITING_CALLS_MAX = 20_000;
/** Client: heads of requests that a method keeps ready: by timeout, and tracer. */
export const KNOWN_HEADS_MAX = 32;

/** Gateway: how many times as large as its gRPC message a body of JSON may be. */
export const GATEWAY_JSON_GROWTH = 2;
/** Gateway: bodies of all requests that are not complete yet; beyond it they are refused. */
export const GATEWAY_BODIES_BYTES_MAX = 256 * 1024 * 1024;
/** Gateway: requests whose JSON is not complete yet; beyond it they are refused. */
export const GATEWAY_INCOMPLETE_MAX = 4_096;
/** Gateway: the JSON of a request must be complete after this, a stream's from its first byte. */
export const GATEWAY_BODY_TIMEOUT_MS = 60_000;

/** Ended spans that wait for the receiver; more are dropped and counted (OpenTelemetry's). */
export const SPANS_QUEUED_MAX = 2_048;

/** Spans of one request to the receiver (OpenTelemetry's). */
export const SPANS_BATCH_MAX = 512;

/** Spans wait so long for more, unless they fill a batch; also the time between two attempts. */
export const EXPORT_INTERVAL_MS = 5_000;

/** A receiver has so long to answer (OpenTelemetry's). */
export const EXPORT_TIMEOUT_MS = 10_000;

/** The last spans of a process that ends have so long. */
export const LAST_EXPORT_TIMEOUT_MS = 2_000;

assertLimits({
  "a batch fits into the queue": SPANS_BATCH_MAX <= SPANS_QUEUED_MAX,
  "one message fits into what may be incomplete":
    MESSAGE_BYTES_MAX <= UNFINISHED_REQUESTS_BYTES_MAX,
  "a stream is held back before its window is full":
    STREAM_REQUESTS_BYTES_MAX <= STREAM_WINDOW_BYTES,
  "a call outlives the attempt to connect": CONNECT_TIMEOUT_MS < CALL_TIMEOUT_MS,
  "a request has time for its body": HEADERS_TIMEOUT_MS < REQUEST_TIMEOUT_MS,
  "one connection's unread answers are part of all connections'":
    WAITING_ANSWERS_BYTES_MAX < UNREAD_ANSWERS_BYTES_MAX,
  "a pace is measured several times within the time that it is for":
    2 * UNREAD_ANSWERS_LOOK_MS < UNREAD_ANSWERS_TIME_MS,
  "headers are looked at within their time": HEADERS_CHECK_MS < HEADERS_TIMEOUT_MS,
  "the pause between connections grows":
    RECONNECT_MS_MIN < RECONNECT_MS_MAX && RECONNECT_GROWTH > 1,
});
