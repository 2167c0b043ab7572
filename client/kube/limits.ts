import { assertLimits } from "@raft2kube/std/assert.ts";

/** Objects per page of a list (client-go's reflector asks for the same). */
export const LIST_PAGE_SIZE = 500;

/**
 * One page of a list, of which more is asked for again in smaller pages: 500 objects of 1.5 MiB, as
 * tenants and nodes may write them, are more than one answer may have. It is parsed in one turn.
 */
export const LIST_PAGE_BYTES_MAX = 64 * 1024 * 1024;

/** Divisor of a page's objects where they have more bytes: 500, 31, 1. */
export const LIST_PAGE_DIVISOR = 16;

/** Pages of one list; more means the server hands out continue tokens without end. */
export const LIST_PAGES_MAX = 10_000;

/** One answer, uncompressed. Five thousand large pods fit. */
export const RESPONSE_BYTES_MAX = 511 * 1024 * 1024;

/** One watch event: an object is at most about 1.5 MiB in the store, its JSON may be larger. */
export const WATCH_LINE_BYTES_MAX = 32 * 1024 * 1024;

/** A request that is not a watch: from the moment it is sent to the end of its answer. */
export const REQUEST_TIMEOUT_MS = 60_000;

/**
 * Attempts of one request, the first included, when the server answers with a Retry-After or
 * refuses connections.
 */
export const ATTEMPTS_MAX = 10;

/** The longest Retry-After that is waited for; a longer one is given to the caller as its error. */
export const RETRY_AFTER_MS_MAX = 30_000;

/** Pause before trying again after a refused connection. */
export const REFUSED_RETRY_MS = 200;

/** Requests waiting for the rate bound; more fail immediately. */
export const RATE_WAITERS_MAX = 10_000;

/** Requests per second and in one burst, unless the client is made with others. */
export const QPS_DEFAULT = 50;
export const BURST_DEFAULT = 100;

/** How long a token read from a file is used before the file is read again. */
export const TOKEN_REREAD_MS = 60_000;

/** A watch is ended and started again after this long, plus up to as much again. */
export const WATCH_TIMEOUT_S = 300;

/** How long a client's certificate read from files is used before they are read again. */
export const CERTIFICATE_REREAD_MS = 1_000;

/**
 * How long answers may go on over a connection of a replaced certificate, or one that the server is
 * ending: all watches end within this time by themselves.
 */
export const DRAINING_MS_MAX = 2 * WATCH_TIMEOUT_S * 1_000;

/** How long a handshake, the headers and the rest of a request for metrics may take. */
export const SERVE_TIMEOUT_MS = 10_000;
/** Life of the certificate that is made when none was given (upstream's year). */
export const SERVING_DAYS = 365;

/** Sockets of one client, watches included. */
export const SOCKETS_MAX = 512;

/** Back-off of a failing list or watch: doubles from the first to the second, with jitter. */
export const REFLECTOR_BACKOFF_MS = 200;
export const REFLECTOR_BACKOFF_MS_MAX = 30_000;

/** Events waiting to be written; more are dropped, and the drop is logged. */
export const EVENTS_PENDING_MAX = 1_000;

/** Characters of an event's message (upstream's bound of a note); the rest is cut. */
export const EVENT_MESSAGE_CHARS_MAX = 1_024;

/** Different events remembered for counting repeats. */
export const EVENTS_REMEMBERED_MAX = 4_096;

/** Repeats about one object: a burst, then one each five minutes (as upstream's spam filter). */
export const EVENTS_BURST = 25;
export const EVENTS_REFILL_MS = 300_000;

/**
 * Events within this time that differ only in their message; from then on they are combined into
 * one.
 */
export const EVENTS_SIMILAR_MAX = 10;
export const EVENTS_SIMILAR_MS = 600_000;

/** Attempts to write one event. */
export const EVENT_ATTEMPTS_MAX = 12;

/** Requests side by side on one HTTP/2 connection; apiservers allow 100 at least. */
export const STREAMS_PER_CONNECTION_MAX = 100;
/**
 * Megabytes that one connection has not sent yet: each of its requests may have 3 MiB. Beyond them
 * Node ends streams whose answers come (ENHANCE_YOUR_CALM), those of leases too. Its own 10 MB are
 * the statuses of a few large pods.
 */
export const CONNECTION_MB_MAX = 512;
/**
 * Bytes that a server may send before they are read, of one answer and of all of a connection. By
 * HTTP/2's own 64 KiB an object of a megabyte takes 16 turns of both event loops, and the server
 * ends watches of such objects as too slow.
 */
export const STREAM_WINDOW_BYTES = 2 ** 20;
export const CONNECTION_WINDOW_BYTES = 8 * 2 ** 20;

/**
 * Volumes of in-tree kinds that a pod names without claims: more are not attached. As many as a
 * node mounts for a pod; each is an object of the cluster that the pod's author may make.
 */
export const INLINE_VOLUMES_MAX = 512;

/**
 * The handle of such a volume: it is in lists of its node's status, which two pods with longer ones
 * would fill. CSI drivers need to accept 128 bytes.
 */
export const INLINE_HANDLE_BYTES_MAX = 1_024;

/**
 * A connection is asked for a sign of life this often, and given up after this long without one.
 */
export const PING_INTERVAL_MS = 30_000;
export const PING_TIMEOUT_MS = 15_000;

/** A connection whose TLS handshake is not done by then is given up: there are no pings before. */
export const CONNECT_TIMEOUT_MS = 30_000;

/** Connections to a component's server that have shown no certificate: of one address, and all. */
export const CONNECTIONS_OF_ADDRESS_MAX = 64;
export const CONNECTIONS_UNKNOWN_MAX = 1_024;

/**
 * Connections there that have shown one: of one user, and all. A kubelet's user with most is the
 * API server, which may have 512 logs and 256 streams there at a time.
 */
export const CONNECTIONS_OF_USER_MAX = 1_024;
export const CONNECTIONS_KNOWN_MAX = 2_048;

/** How many of the API's answers about tokens or rights are cached. */
export const REVIEW_CACHE_MAX = 1_000;
/**
 * How long they are cached: grants by the kubelet (upstream's time of tokens), and by other
 * components; refusals by all, since a right is often granted after one.
 */
export const REVIEW_CACHE_MS = 120_000;
export const COMPONENT_REVIEW_CACHE_MS = 10_000;
export const REFUSAL_CACHE_MS = 10_000;
/** Tokens, and rights, that the API is asked about at a time. */
export const REVIEWS_AT_ONCE_MAX = 16;

assertLimits({
  "unknown connections are many addresses'": CONNECTIONS_OF_ADDRESS_MAX < CONNECTIONS_UNKNOWN_MAX,
  "known connections are several users'": CONNECTIONS_OF_USER_MAX < CONNECTIONS_KNOWN_MAX,
  "the bound on requests lets a second's requests go at once": QPS_DEFAULT <= BURST_DEFAULT,
  "an event of a watch is no larger than a list": WATCH_LINE_BYTES_MAX <= RESPONSE_BYTES_MAX,
  "a page of one object is enough": WATCH_LINE_BYTES_MAX <= LIST_PAGE_BYTES_MAX,
  "pages that are too large become smaller": LIST_PAGE_DIVISOR > 1,
  "a Retry-After that is waited for is shorter than a request":
    RETRY_AFTER_MS_MAX < REQUEST_TIMEOUT_MS,
  "back-offs grow": REFLECTOR_BACKOFF_MS <= REFLECTOR_BACKOFF_MS_MAX,
  "a connection is given up before it is asked again": PING_TIMEOUT_MS < PING_INTERVAL_MS,
  "a request has time for a connection": CONNECT_TIMEOUT_MS < REQUEST_TIMEOUT_MS,
  "repeats are recognised among the events remembered": EVENTS_SIMILAR_MAX <= EVENTS_REMEMBERED_MAX,
});
