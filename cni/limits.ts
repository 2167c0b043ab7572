import { assertLimits } from "@raft2kube/std/assert.ts";

/** Timeout of one command of one plugin, which is then killed. */
export const PLUGIN_TIMEOUT_MS = 60_000;
/** Maximum output of a plugin on stdout; a result has a few kilobytes. */
export const PLUGIN_STDOUT_BYTES = 1 << 20;
/** Bytes of a plugin's stderr in an error message. */
export const PLUGIN_STDERR_BYTES = 8 << 10;
/** Maximum size of a network configuration from a file or stdin. */
export const CONFIG_BYTES = 1 << 20;
/** Maximum number of plugins in a list. */
export const PLUGINS_IN_LIST = 32;
/** Maximum length of a network name or container id: cache file names consist of both. */
export const NAME_LENGTH = 120;
/** Maximum length of an interface name: IFNAMSIZ - 1. */
export const IFNAME_LENGTH = 15;
/** How long an allocation waits for the lock of another process. */
export const LOCK_WAIT_MS = 10_000;
/** Interval between attempts to take the lock. */
export const LOCK_RETRY_MS = 5;
/** How long ADD waits for the kernel to open a new port of the bridge. */
export const PORT_UP_MS = 5_000;
/** Interval between its looks at the port. */
export const PORT_RETRY_MS = 2;
/** Attempts to change rules of iptables while other calls change them. */
export const IPTABLES_ATTEMPTS_MAX = 16;
/** Attempts to set a table of nftables while other programs change theirs. */
export const OWN_TABLE_ATTEMPTS_MAX = 3;
/** Attempts to set route_localnet while other calls change the port mappings. */
export const LOCALNET_ATTEMPTS_MAX = 16;
/**
 * Divisor of the node's conntrack table (nf_conntrack_max) for the bound of one pod: 32,768 of the
 * 262,144 that are the kernel's default with 2 GiB of memory and more.
 */
export const CONNECTION_SHARES = 8;
/** Divisor of the host's conntrack table for the bound of the pods of all nodes together. */
export const HOST_CONNECTION_SHARES = 2;
/** Divisor of a conntrack table for what comes by one node: it leaves others a quarter. */
export const NODE_CONNECTION_SHARES = 4 / 3;
/** Divisor of a node's for what comes by the overlay from one range of 256 addresses. */
export const RANGE_CONNECTION_SHARES = 2;
/** Lower limit of a pod's bound, however small the table. */
export const CONNECTIONS_BOUND_MIN = 256;
/** Size of the table to assume when it cannot be read or is unlimited. */
export const CONNECTIONS_MAX_DEFAULT = 65_536;
/**
 * One of this many new connections is counted. A sample costs a pod with 32,000 connections 0.2 us
 * for each new one, counting all of them 23 us (Linux 6.18, UDP).
 */
export const CONNECTION_SAMPLES = 16;
/** How long a pod above its bound gets no new connection, from the last one that was counted. */
export const OVER_BOUND_MS = 2_000;
/** How long each new connection of such a pod counts. */
export const SUSPECT_MS = 300_000;
/** Divisor of the bound for the connections that such a pod may have beyond it. */
export const SUSPECT_SHARES = 64;
/** Addresses of pods that are counted at a time: a node's whole range. */
export const PODS_COUNTED = 65_535;
/** Datagrams of one pod to the node's DNS, which reads about ten thousand in a second. */
export const QUERIES_PER_SECOND = 2_000;
export const QUERIES_BURST = 2_000;
/** Queries of all other nodes together: more would take the places of those that wait. */
export const NODES_QUERIES_PER_SECOND = 200;
export const NODES_QUERIES_BURST = 500;

/** ARP requests that a node may send from addresses that are no node's, and as a burst. */
export const FOREIGN_ARP_PER_SECOND = 16;
export const FOREIGN_ARP_BURST = 64;
/** TCP connections that one pod opens to the node's own servers, which accept some thousands. */
export const CONNECTS_PER_SECOND = 200;
export const CONNECTS_BURST = 500;
/** How long a pod that asks nothing is remembered, which is longer than its burst. */
export const QUERIES_COUNTED_MS = 10_000;
/**
 * Memory of IPv4 fragments that wait for the rest of their datagrams, of all pods of a node, and
 * for how long they wait. With the kernel's 4 MiB and 30 s one pod fills it by 60 fragments a
 * second; on a node they come within milliseconds of each other.
 */
export const FRAGMENT_BYTES_MAX = 32 << 20;
export const FRAGMENT_S_MAX = 1;

assertLimits({
  "a lock is tried several times": LOCK_RETRY_MS < LOCK_WAIT_MS,
  "a port is looked at several times": PORT_RETRY_MS < PORT_UP_MS,
  "a plugin waits for its lock and its port within its time":
    LOCK_WAIT_MS + PORT_UP_MS < PLUGIN_TIMEOUT_MS,
  "a configuration's answer fits into what is read": CONFIG_BYTES <= PLUGIN_STDOUT_BYTES,
});
