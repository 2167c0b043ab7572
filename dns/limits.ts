/** What a datagram may hold when the client says nothing (RFC 1035, 2.3.4). */
export const UDP_BYTES_PLAIN = 512;
/**
 * The most we send in one datagram, whatever the client offers: no fragments (DNS flag day 2020).
 */
export const UDP_BYTES_MAX = 1232;
/** The largest message over TCP: its length has two bytes. */
export const TCP_BYTES_MAX = 65_535;
export const TCP_CONNECTIONS_MAX = 128;
/** A TCP client that says nothing for so long is cut off (RFC 7766, 6.2.3). */
export const TCP_IDLE_MS = 10_000;
/** Queries of one TCP connection that are being answered; more are read later. */
export const TCP_PIPELINE_MAX = 64;
/** Time for one upstream resolver; the next one is asked then. */
export const UPSTREAM_TIMEOUT_MS = 2_000;
/** Forwarded queries under way at once; more are answered SERVFAIL. */
export const FORWARDS_MAX = 256;
export const CACHE_ENTRIES_MAX = 2_000;
/** The longest that another server's answer is kept, whatever its TTL; a refusal shorter. */
export const CACHE_TTL_MAX_S = 30;
export const CACHE_FAILURE_TTL_S = 5;
/** CNAMEs followed within the cluster: a chain of ExternalNames may be a circle. */
export const CNAME_CHAIN_MAX = 8;
/** Seconds that a cluster's own answer may be kept. */
export const DEFAULT_TTL_S = 5;
