import { assertLimits } from "@raft2kube/std/assert.ts";

/** Delay between a change and the pass that applies it together with later changes. */
export const SYNC_DELAY_MS = 100;
/** Interval of passes without a change: certificates expire, and the data plane may have ended. */
export const SYNC_MS_MAX = 30_000;

/** Statuses of Ingresses, and of routes, that a pass writes: the next pass writes further ones. */
export const STATUS_WRITES_MAX = 100;

/** Paths of one namespace's Ingresses and routes: its tenant must not take all memory. */
export const PATHS_OF_NAMESPACE_MAX = 12_000;
/** Characters of them, with their hosts: the tables that haproxy reads have each. */
export const PATH_CHARS_OF_NAMESPACE_MAX = 2 << 20;
/** Different backends of a namespace; haproxy reserves memory for each. */
export const BACKENDS_OF_NAMESPACE_MAX = 1_000;
/** Host names of one namespace's Ingresses, of rules and certificates. */
export const HOSTS_OF_NAMESPACE_MAX = 12_000;
/** Servers of one namespace's backends: haproxy has 4 KiB for each. */
export const SERVERS_OF_NAMESPACE_MAX = 8_192;
/** Events about one namespace's Ingresses, which may have any number of rules not served. */
export const REFUSALS_OF_NAMESPACE_MAX = 500;
/** RSA keys of certificates: each handshake costs 3 ms with the largest, 175 with 15,360 bits. */
export const RSA_BITS_MAX = 4_096;
/** Bytes of the public exponent, 3 in general: each signature is checked with it. */
export const RSA_EXPONENT_BYTES_MAX = 4;
/**
 * Signatures by which a key is tried, 2 ms each with the largest, for up to a thousand certificates
 * of a namespace: all wrong keys but those of a factor that is no prime fail the first.
 */
export const RSA_SIGNATURES_TRIED = 2;
/** Rules of a Gateway's port that compare headers, parameters or methods, by every request. */
export const CONDITION_LINES_MAX = 2_000;
/** Rules that compare so, of one namespace at all ports: others' routes need some too. */
export const CONDITION_LINES_OF_NAMESPACE_MAX = 500;
/** Bytes of one namespace's routes in the data plane's configuration, as often as they are in it. */
export const ROUTES_OF_NAMESPACE_BYTES_MAX = 4 << 20;
/** Listeners that one namespace's routes are compared with. */
export const COMPARED_OF_NAMESPACE_MAX = 64_000;
/** References that one namespace's ReferenceGrants allow. */
export const GRANTS_OF_NAMESPACE_MAX = 1_000;
/** Certificates of one namespace. */
export const CERTIFICATES_OF_NAMESPACE_MAX = 1_000;
/** Bytes of them, with their keys: the folder that haproxy reads has 128 MiB, and has all twice. */
export const CERTIFICATE_BYTES_OF_NAMESPACE_MAX = 4 << 20;
/** Bytes of what haproxy says of those that it refuses, 200 of each. */
export const UNFIT_BYTES_MAX = 4 << 20;
/** Characters of a Secret's pair, in base64: this program keeps those of all namespaces. */
export const PAIR_CHARS_MAX = 32_768;
/** The record of hosts and their owners: a ConfigMap takes 1 MiB. */
export const RECORD_BYTES_MAX = 900_000;
export const RECORD_OF_NAMESPACE_BYTES_MAX = 60_000;
/** Names of one line in haproxy's list of certificates, which takes 64 KiB and 2,048 words. */
export const HOSTS_OF_LINE_MAX = 200;
/** Ports of the data plane for the ports of Gateways. */
export const GATEWAY_PORT_FIRST = 20_000;
export const GATEWAY_PORTS_MAX = 1_000;
/** Ports of one namespace's Gateways; each Gateway has a load balancer's address, too. */
export const GATEWAY_PORTS_OF_NAMESPACE_MAX = 100;
/** How long the first pass waits for the Gateway API's objects, which may lack a CRD. */
export const GATEWAY_SYNC_MS_MAX = 10_000;
/** Endpoints of one backend. */
export const ENDPOINTS_MAX = 1_000;
/** Servers that a backend has at least: so many endpoints come without a reload. */
export const SERVERS_MIN = 4;
/** haproxy's greatest weight of a server. */
export const WEIGHT_MAX = 256;

/** haproxy's buffer, in bytes: a request's head that is larger gets a 400. */
export const HEAD_BYTES_MAX = 16_384;
export const CONNECTIONS_MAX = 3_072;
/** Connections of one client address: an open one costs it nothing. */
export const CONNECTIONS_OF_ADDRESS_MAX = 768;
/** Frontends whose connections are added up, for each new one, to know how many are left. */
export const FRONTENDS_COUNTED_MAX = 32;
/** Connections of one address with which it gets no more at a frontend that is not added up. */
export const CONNECTIONS_OF_ADDRESS_UNCOUNTED_MAX = 64;
/** Where half of all are taken, an address has one of so many parts of those that are left. */
export const PARTS_OF_LEFT = 16;
/** Connections that an address has nevertheless, if any are left. */
export const CONNECTIONS_OF_ADDRESS_MIN = 4;
/**
 * TLS handshakes, of 3 ms with an RSA key, that one client address may start in so many seconds: no
 * fewer than it may have connections by HTTP/2.
 */
export const HANDSHAKES_OF_ADDRESS_MAX = 128;
export const HANDSHAKES_S = 2;
/** Connections of one address by HTTP/2, whose answers that are not read have 33 buffers. */
export const HTTP2_CONNECTIONS_OF_ADDRESS_MAX = 128;
/** Requests under way of one client address, of which HTTP/2 has a hundred in a connection. */
export const REQUESTS_OF_ADDRESS_MAX = 768;
/** Buffers of a process; a request whose answer is not read has three. */
export const BUFFERS_MAX = 16_384;
/**
 * The kernel's buffers of a connection with a client, and with a server, each way; it takes twice
 * as much memory. They would grow to 4 and 6 MiB, or what a machine says: those of 600 connections
 * that read nothing were all that the pod may have, and others' answers came at 35 KB/s.
 */
export const CLIENT_SOCKET_BYTES = 65_536;
export const SERVER_SOCKET_BYTES = 32_768;
/** Requests under way to one namespace's backends, which may take an hour to answer. */
export const REQUESTS_OF_NAMESPACE_MAX = 768;
/** The same where backends speak HTTP/2: each may take one in a connection, and read nothing. */
export const HTTP2_REQUESTS_OF_NAMESPACE_MAX = 240;
/** Addresses and namespaces that are counted at a time: each of the former has a connection. */
export const COUNTED_MAX = 16_384;
export const CONNECT_MS = 3_000;
/** A client has this long to send a request's head; a backend to start its answer. */
export const REQUEST_MS = 10_000;
export const ANSWER_MS = 60_000;
/** The longest time that an annotation or a route may ask for. */
export const ANSWER_MS_MAX = 3_600_000;
/** A WebSocket without traffic is closed after this time. */
export const TUNNEL_MS = 3_600_000;
/** A former process ends the connections that are left after this time. */
export const FORMER_MS_MAX = 600_000;
/**
 * A former process ends after so many further reloads, too: each takes as many connections and
 * buffers as the current one, and all have to fit in the container's memory.
 */
export const FORMER_RELOADS_MAX = 2;
/** A reload that ends a former process waits until then: tenants cause reloads. */
export const FORMER_MS_MIN = 20_000;
export const RELOAD_PAUSE_MS = 1_000;
/** The largest body that an annotation may name, in bytes. */
export const BODY_BYTES_MAX = 2 ** 40;

/** How long haproxy may take to check a configuration, to start and to answer. */
export const CHECK_MS_MAX = 30_000;
export const RELOAD_MS_MAX = 20_000;
export const RELOAD_POLL_MS = 20;
export const RUNTIME_MS_MAX = 5_000;
/** Commands in one line to the runtime socket, which has a bound of 16 KiB. */
export const RUNTIME_COMMANDS_MAX = 50;
export const RUNTIME_ANSWER_BYTES_MAX = 1 << 20;

assertLimits({
  "a line of commands fits": RUNTIME_COMMANDS_MAX * 200 < 16_384,
  "a line of certificates fits": HOSTS_OF_LINE_MAX * 254 < 60_000,
  "a port has room for several tenants":
    CONDITION_LINES_OF_NAMESPACE_MAX * 4 <= CONDITION_LINES_MAX,
  "a share of the connections leaves the most of them":
    CONNECTIONS_MAX >= 4 * Math.max(CONNECTIONS_OF_ADDRESS_MAX, REQUESTS_OF_NAMESPACE_MAX),
  "a share of the buffers leaves a half of them":
    BUFFERS_MAX >= 2 * (33 * HTTP2_CONNECTIONS_OF_ADDRESS_MAX + 3 * REQUESTS_OF_ADDRESS_MAX) &&
    BUFFERS_MAX >= 2 * 34 * HTTP2_REQUESTS_OF_NAMESPACE_MAX,
  "a client may start its connections at once":
    HANDSHAKES_OF_ADDRESS_MAX >= HTTP2_CONNECTIONS_OF_ADDRESS_MAX,
  "each connection's address is counted": COUNTED_MAX >= 2 * CONNECTIONS_MAX,
  "a former process ends by itself later than by a reload": FORMER_MS_MIN < FORMER_MS_MAX,
  "the usual time of an answer may be asked for": ANSWER_MS <= ANSWER_MS_MAX,
});
