/** The largest message a client or server takes unless told otherwise: CRI's 16 MiB. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** A unary call without a deadline of its own ends after this. */
export const CALL_TIMEOUT_MS = 120_000;

/**
 * Streams one connection may hold open at once (etcd's default is unlimited, HTTP/2 advises >=
 * 100).
 */
export const CONCURRENT_STREAMS_MAX = 10_000;

/** How long a closing server waits for calls under way before it cuts them. */
export const SHUTDOWN_GRACE_MS = 2_000;

/** Longest path of a Unix socket: sockaddr_un has 108 bytes, its terminating zero included. */
export const SOCKET_PATH_BYTES_MAX = 107;
