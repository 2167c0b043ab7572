import { assertLimits } from "@raft2kube/std/assert.ts";

/** Delay between a change and the sync that applies it together with later changes. */
export const SYNC_DELAY_MS = 20;
/** Time of failing syncs after which Services' health checks fail (upstream: 2 sync periods). */
export const UNHEALTHY_MS = 60_000;
/** Delay before the first retry of a failed transaction; doubled each time. */
export const RETRY_FIRST_MS = 500;
export const RETRY_MS_MAX = 30_000;
/** Least interval between checks that the kernel has the rules; other programs may delete some. */
export const VERIFY_MS = 5_000;
/** A check that takes long is followed by a pause of as many times its duration. */
export const VERIFY_PAUSE_FACTOR = 100;
/** Interval of full syncs without a change, which repair what a check does not compare. */
export const FULL_SYNC_MS = 3_600_000;
/**
 * Work of the Service ports that are changed in one turn of the event loop, about 10 ms: each
 * frontend and endpoint counts as one, with session affinity as AFFINITY_WORK, and a port as
 * PORT_WORK.
 */
export const CHANGE_WORK = 2_000;
export const PORT_WORK = 20;
export const AFFINITY_WORK = 10;
/**
 * Time of a pass for planning, but for one Service, and for changes, but for two turns; what is
 * left waits for the next one, which plans what changed since: one Service of 4,000 endpoints with
 * session affinity takes nftables seconds.
 */
export const PASS_MS = 1_000;
/** New endpoints that a trace names. */
export const ADDRESSES_TRACED_MAX = 32;
/** Endpoints of this node, of traces, whose first packet is waited for at the same time. */
export const FIRST_PACKETS_MAX = 16;
/**
 * How long rules wait for the questions about the connections before them; and tracked connections
 * with which none is asked. The kernel goes through its whole table for each question, which takes
 * 12 ms of processor time if it is empty, 20 ms with so many, and 130 ms with 250,000.
 */
export const FIRST_PACKETS_ASKED_MS = 20;
export const FIRST_PACKET_FLOWS_MAX = 20_000;
/** How long it is waited for, and the least interval at which the kernel is asked. */
export const FIRST_PACKET_MS = 60_000;
export const FIRST_PACKET_INTERVAL_MS = 100;
/** A question that takes long is followed by a pause of as many times its duration. */
export const FIRST_PACKET_PAUSE_FACTOR = 10;
/**
 * iptables mode on nftables: Service ports in one transaction. The programs keep a transaction's
 * chains in sorted lists, which each of its rules searches: one of 4,000 chains takes five times
 * the CPU time of transactions of 100.
 */
export const PORTS_PER_TRANSACTION = 64;
/**
 * iptables and IPVS mode: time that iptables-save has, in which no Service changes. With 150,000
 * rules it takes two seconds of processor time. Beyond it the tables' chains are read alone.
 */
export const SAVE_MS_MAX = 15_000;
/** iptables mode: time without a transaction after which iptables-restore is ended. */
export const RESTORE_IDLE_MS = 30_000;
/** iptables mode: inputs of one iptables-restore; the next starts another, without its memory. */
export const RESTORE_CALLS_MAX = 1_000;
/**
 * iptables mode: time that iptables-restore has for a transaction, else it is killed and the rules
 * are rebuilt by another. A full sync of 10,000 Services takes it seconds.
 */
export const RESTORE_MS_MAX = 60_000;
/** iptables mode: time that iptables-restore has to end after its input; it is killed then. */
export const RESTORE_END_MS_MAX = 5_000;
/**
 * iptables mode: chains of one Service port, about; bounds the chains removed in one transaction.
 */
export const CHAINS_OF_A_PORT = 4;
/** Clients in one endpoint's affinity set; the kernel evicts none before its timeout. */
export const AFFINITY_CLIENTS = 65_535;
/**
 * nftables mode: clients in the affinity sets of all Service ports of a namespace, about 100 MB of
 * the kernel's memory. Further ones are served without affinity. Upstream bounds each set alone.
 */
export const AFFINITY_CLIENTS_OF_NAMESPACE = 1 << 20;
/**
 * nftables mode: endpoints of a namespace's Service ports with session affinity, each with a set
 * and a chain, and of all of them: 16,384 take nft half a minute. Ports beyond have no affinity.
 */
export const AFFINITY_ENDPOINTS_OF_NAMESPACE = 4_096;
export const AFFINITY_ENDPOINTS_MAX = 16_384;
/** Default timeout of ClientIP affinity: upstream's 3 hours. */
export const AFFINITY_DEFAULT_S = 10_800;

/** Userspace mode: connections and UDP clients under way in all proxy ports; two sockets each. */
export const CONNECTIONS_MAX = 16_384;
/** Userspace mode: connections and UDP ports of one client's address, in all proxy ports. */
export const CONNECTIONS_PER_CLIENT_MAX = 2_048;
/** Userspace mode: the UDP ports among these, each until it is idle: connections need room too. */
export const UDP_PORTS_PER_CLIENT_MAX = 1_024;
/** Userspace mode: pods with an address of their own on loopback, of 4,093. */
export const PROXY_CLIENTS_MAX = 4_000;
/** Idle time after which a connection's peers are probed; one that vanished ends it (Go's). */
export const KEEP_ALIVE_MS = 15_000;
/**
 * Userspace mode: the part of the numbers for connections that listeners may take, of TCP and of
 * UDP. No outgoing connection of the node gets the number of a listener, regardless of the
 * addresses.
 */
export const LISTENERS_PART = 0.5;
/** Userspace mode: the part that UDP clients may take, each with a number of its own. */
export const UDP_CLIENTS_PART = 0.4;
/** Userspace mode: proxy ports that are opened at the same time. */
export const PORTS_OPENED_AT_ONCE = 64;
/**
 * Userspace mode: time that a client has to take what an endpoint sent before it reset the
 * connection, and the first interval between checks whether it has, doubled each time: endpoints
 * and clients choose how many wait.
 */
export const DELIVERY_MS_MAX = 10_000;
export const DELIVERY_CHECK_FIRST_MS = 10;
export const DELIVERY_CHECK_MS_MAX = 1_000;
/** Userspace mode: how long an endpoint may take to accept in each attempt (upstream's values). */
export const CONNECT_TIMEOUTS_MS = [250, 500, 1_000, 2_000] as const;
/** Userspace mode: idle time after which a UDP client's endpoint is chosen again. */
export const UDP_IDLE_MS = 60_000;
/** Userspace mode: how long an unused one keeps its room from further ones of its address. */
export const UDP_KEPT_MS = 1_000;
/** Userspace mode: refusals of a client's packets by one endpoint, and by all, within UDP_KEPT_MS. */
export const UDP_REFUSALS_OF_ENDPOINT_MAX = 2;
export const UDP_REFUSALS_MAX = 64;
/** Userspace mode: packets that wait until a socket of UDP is connected, or the kernel takes them. */
export const UDP_WAITING_MAX = 16;
/** IPVS mode: interval between checks whether destinations with weight 0 can be removed. */
export const LEAVING_CHECK_MS = 10_000;
/**
 * Rules of the Service ports of a namespace, and of all: every node keeps them in its memory and
 * the kernel's, and writes them again at a start and after a failure. Each frontend and each
 * endpoint of it counts as one, with session affinity as RULES_OF_AFFINITY, each source range as
 * one, and a port as RULES_OF_A_PORT. Also the entries that a set of IPVS mode takes.
 */
export const RULES_OF_NAMESPACE = 1 << 17;
export const RULES_MAX = 1 << 20;
export const RULES_OF_A_PORT = 4;
export const RULES_OF_AFFINITY = 4;
/** Source ranges of one Service; each of its ports has them in iptables and IPVS mode. */
export const SOURCE_RANGES_MAX = 1_000;
/** Node ports on the host's loopback address, and connections under way in all of them. */
export const HOST_PORTS_MAX = 512;
export const HOST_CONNECTIONS_MAX = 1_024;
/** Clients of UDP node ports on the host's loopback address, each until it is idle. */
export const HOST_UDP_CLIENTS_MAX = 512;
/** Pause before a port that another program has is tried again. */
export const HOST_RETRY_MS = 30_000;
/** The image port-proxy: interval of looking up its Service's name, and its longest idle time. */
export const LOOKUP_MS = 5_000;
export const PORT_PROXY_TIMEOUT_S_MAX = 86_400;
/**
 * The largest heap that is collected after the start, where the kernel has the rules: packets do
 * not wait for it, health checks and ARP do, for less than the two time-outs of a health check. The
 * first sync leaves more garbage than the rules of 10,000 Services take.
 */
export const COLLECTED_HEAP_BYTES_MAX = 256 * 1024 * 1024;
/**
 * Checks of the nodes that carry addresses of load balancers: the interval, the shorter one after a
 * first failure, the time for an answer, failures in a row after which an address moves, and checks
 * in a second where nodes and Services are many.
 */
export const HEALTH_POLL_MS = 500;
export const HEALTH_RETRY_MS = 100;
export const HEALTH_TIMEOUT_MS = 700;
export const HEALTH_FAILURES_MAX = 2;
export const HEALTH_CHECKS_PER_S = 400;
/** Interval of setting all addresses again. */
export const BALANCE_REPAIR_MS = 5_000;
/** ARP: the least interval between announcements of an address. */
export const ANNOUNCE_MS_MIN = 1_000;
/** The balancer of API servers: the time for an answer of `/readyz`, and connections of clients. */
export const API_CHECK_TIMEOUT_MS = 1_000;
export const API_CONNECTIONS_MAX = 1_024;
/** The port of the proxy's own health (upstream's). */
export const HEALTHZ_PORT = 10_256;
/** The port of its metrics, on loopback (upstream's). */
export const METRICS_PORT = 10_249;
/**
 * Health checks: connections under way in all ports, of which a namespace's Services may have
 * thousands, in one of them, and of these from one address.
 */
export const HEALTH_CONNECTIONS_OF_ALL_MAX = 1_024;
export const HEALTH_CONNECTIONS_MAX = 64;
export const HEALTH_CONNECTIONS_OF_ADDRESS_MAX = 16;
/** Pause before a health check whose port another program has is tried again (upstream's). */
export const HEALTH_LISTEN_RETRY_MS = 5_000;

assertLimits({
  "a silent API server loses its connections within three seconds":
    HEALTH_POLL_MS + HEALTH_RETRY_MS + HEALTH_FAILURES_MAX * API_CHECK_TIMEOUT_MS < 3_000,
  "an address leaves a silent node a second before three have passed":
    HEALTH_POLL_MS + HEALTH_RETRY_MS + HEALTH_FAILURES_MAX * HEALTH_TIMEOUT_MS <= 2_000,
  "one client cannot use up what all share": CONNECTIONS_PER_CLIENT_MAX * 4 <= CONNECTIONS_MAX,
  "listeners and UDP clients leave numbers to the node": LISTENERS_PART + UDP_CLIENTS_PART < 1,
  "a retry waits longer than a sync collects changes": SYNC_DELAY_MS < RETRY_FIRST_MS,
  "the pause between retries grows": RETRY_FIRST_MS <= RETRY_MS_MAX,
  "Services are healthy until a second retry at the greatest pause": RETRY_MS_MAX < UNHEALTHY_MS,
});
