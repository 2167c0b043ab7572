import { assertLimits } from "@raft2kube/std/assert.ts";
import type { RotationLimits } from "@raft2kube/std/rotation.ts";

/** Maximum size of a label of a name (RFC 1035, 2.3.4). */
export const LABEL_BYTES_MAX = 63;
/** Maximum size of a datagram to a client without EDNS (RFC 1035, 2.3.4). */
export const UDP_BYTES_PLAIN = 512;
/**
 * Maximum size of a datagram to any client, which avoids fragments (DNS flag day 2020).
 */
export const UDP_BYTES_MAX = 1232;
/** Maximum size of a message over TCP: its length field has two bytes. */
export const TCP_BYTES_MAX = 65_535;
/** Minimum size of a record: a pointer to its name, its fixed fields and an IPv4 address. */
export const RECORD_BYTES_MIN = 16;
/** Records of an answer, more than a message has room for: tenants choose how many a name has. */
export const RECORDS_MAX = Math.ceil(TCP_BYTES_MAX / RECORD_BYTES_MIN);
/** Additional records of a query: EDNS and a signature. */
export const QUERY_ADDITIONALS_MAX = 2;
/** Answers that are read of what another server says of a CNAME's target. */
export const ANSWERS_READ_MAX = 24;
/** The bytes in which they end: a tenant's own server may have answers whose names multiply. */
export const ANSWERS_READ_BYTES_MAX = 2_048;
/**
 * Ports of a headless Service's endpoints that are looked at for one name, about 5 ms: each of a
 * tenant's pods may have its own list of 20,000.
 */
export const PORTS_SEARCHED_MAX = 100_000;
/** EndpointSlices that are looked at for the names of one address: a tenant may make thousands. */
export const REVERSE_SLICES_MAX = 512;
/**
 * Queries that wait for their turn, and those of one client address: a pod that looks up a hundred
 * names concurrently sends twice as many, and resolvers ask again after 5 s.
 */
export const WAITING_MAX = 16_384;
export const WAITING_PER_CLIENT_MAX = 512;
/**
 * Queries of a transport that are read in one turn of the event loop. Node takes up to 32 datagrams
 * from the socket in a turn: a flood is dropped here, of its client, and not in the kernel, of
 * everyone.
 */
export const QUERIES_PER_TURN = 8;
/** Turns of the queries of a transport, those of different client addresses in rotation. */
export const QUERY_TURNS: RotationLimits = {
  ofTurn: QUERIES_PER_TURN,
  ofOwner: WAITING_PER_CLIENT_MAX,
  ofOwnerInTurn: 1,
  ofAll: WAITING_MAX,
};
/**
 * The kernel's buffer for datagrams, as far as net.core.rmem_max allows: until a turn of the loop
 * ends they wait there, and the buffer drops those of everyone.
 */
export const RECEIVE_BUFFER_BYTES = 4 << 20;
export const TCP_CONNECTIONS_MAX = 128;
/** TCP connections of one client address, so that one pod cannot hold all (RFC 7766, 6.2.2). */
export const TCP_CONNECTIONS_PER_CLIENT_MAX = 16;
/** Idle time after which a TCP connection is closed (RFC 7766, 6.2.3). */
export const TCP_IDLE_MS = 10_000;
/** Concurrent queries of one TCP connection; more are read later. */
export const TCP_PIPELINE_MAX = 16;
/** Timeout of one upstream resolver, after which the next one is asked. */
export const UPSTREAM_TIMEOUT_MS = 2_000;
/** How long an upstream resolver that answers nothing is asked after the others. */
export const UPSTREAM_REST_MS = 10_000;
/** How often the list of resolvers is read again: the machine may come to another network. */
export const UPSTREAMS_READ_MS = 5_000;
/** Concurrent forwarded queries; more are answered SERVFAIL. */
export const FORWARDED_MAX = 256;
/** The part of them that one client address may have, so that one pod cannot have all. */
export const FORWARDED_PER_CLIENT_MAX = 32;
/**
 * Queries that wait for the answer to a name that another one is forwarded for, and those of one
 * client address; more are answered SERVFAIL. All of them are answered in one turn.
 */
export const SHARING_MAX = 4_096;
export const SHARING_PER_CLIENT_MAX = 128;
/** Bytes of cached answers, with their keys and CACHE_ENTRY_BYTES for each. */
export const CACHE_BYTES_MAX = 4 << 20;
/** The part of them that answers to one client address may have. */
export const CACHE_BYTES_PER_CLIENT_MAX = 512 << 10;
/** The bytes, about, that an entry takes beside its answer and key. */
export const CACHE_ENTRY_BYTES = 512;
/** Maximum time that an upstream answer is cached; a negative one without SOA less. */
export const CACHE_TTL_S_MAX = 30;
export const CACHE_FAILURE_TTL_S = 5;
/** CNAMEs followed within the cluster, since ExternalNames may form a loop. */
export const CNAME_CHAIN_MAX = 8;
/** TTL of the cluster's records. */
export const DEFAULT_TTL_S = 5;

assertLimits({
  "plain UDP, EDNS and TCP carry more and more":
    UDP_BYTES_PLAIN <= UDP_BYTES_MAX && UDP_BYTES_MAX <= TCP_BYTES_MAX,
  "one client has a part of the queries that wait": WAITING_PER_CLIENT_MAX < WAITING_MAX,
  "a query of each connection can wait":
    TCP_CONNECTIONS_PER_CLIENT_MAX <= WAITING_PER_CLIENT_MAX && TCP_CONNECTIONS_MAX <= WAITING_MAX,
  "one client has a part of the connections": TCP_CONNECTIONS_PER_CLIENT_MAX < TCP_CONNECTIONS_MAX,
  "one client has a part of the forwarded queries": FORWARDED_PER_CLIENT_MAX < FORWARDED_MAX,
  "one client has a part of the queries that share an answer": SHARING_PER_CLIENT_MAX < SHARING_MAX,
  "a forwarded query ends before its connection is idle for too long":
    UPSTREAM_TIMEOUT_MS < TCP_IDLE_MS,
  "one client has a part of the cache, in which any answer has room":
    CACHE_BYTES_PER_CLIENT_MAX < CACHE_BYTES_MAX && TCP_BYTES_MAX * 2 < CACHE_BYTES_PER_CLIENT_MAX,
  "failures are cached no longer than answers": CACHE_FAILURE_TTL_S <= CACHE_TTL_S_MAX,
});
