import { readSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { errno, isErrno, messageOf, tolerateSync } from "@raft2kube/std/errors.ts";
import { ensureChains } from "../lib/own-chains.ts";
import { HERE, OwnTable, type TablePlace } from "../lib/own-table.ts";
import {
  CONNECTION_SAMPLES,
  CONNECTION_SHARES,
  CONNECTIONS_BOUND_MIN,
  CONNECTIONS_MAX_DEFAULT,
  CONNECTS_BURST,
  CONNECTS_PER_SECOND,
  HOST_CONNECTION_SHARES,
  NODE_CONNECTION_SHARES,
  NODES_QUERIES_BURST,
  NODES_QUERIES_PER_SECOND,
  OVER_BOUND_MS,
  PODS_COUNTED,
  QUERIES_BURST,
  QUERIES_COUNTED_MS,
  QUERIES_PER_SECOND,
  RANGE_CONNECTION_SHARES,
  SUSPECT_MS,
  SUSPECT_SHARES,
} from "../limits.ts";

/** An expression of nftables, and the type of the keys of a set that it looks up. */
type Key = readonly [expression: string, type: string];

/** A number of connections, beyond which someone is refused new ones for a time. */
interface Bound {
  /** Prefix of the names of its sets. */
  readonly name?: string;
  /** The connections that count. */
  readonly of: string;
  /** A part of their addresses, by which those that count together are alike. */
  readonly by: Key;
  readonly connections: number;
  readonly refused: Key;
}

/** TCP ports of the node's DNS, kubelet and proxy. */
const SERVERS = [53, 10250, 10256];

const QUERIES = "r2k-queries";

/** A node's DNS, its Service's address, and the range of the pods that ask it. */
interface Queried {
  readonly podCidr: string;
  readonly nodeAddress: string;
  readonly dnsAddress: string;
}

const POD: Key = ["ip saddr", "ipv4_addr"];
const NODE: Key = ["ether saddr", "ether_addr"];
const POD_OF_NODE: Key = ["ether saddr . ip saddr", "ether_addr . ipv4_addr"];
const ALL: Key = ["ip saddr and 0.0.0.0", "ipv4_addr"];
const RANGE: Key = ["ip saddr and 255.255.255.0", "ipv4_addr"];

/** The links by which packets of other nodes come: the underlay's, and those of the overlay. */
const FROM_NODES = ['iifname "eth0"', 'iifname "flannel*"'] as const;

/**
 * Returns what bounds the entries of connection tracking that the pods of all nodes can have on the
 * host together, and those that come by one node, which can name any source, but, at its port of
 * the underlay, no other hardware address. Otherwise as `connectionBounds`: the rest is for the
 * host and the other nodes.
 */
export function hostConnectionBounds(
  table: string,
  { podCidr, hostDevice }: { podCidr: string; hostDevice: string },
  max = connectionsMax(),
): () => Promise<boolean> {
  const connections = connectionBound(max, HOST_CONNECTION_SHARES);
  const of = `ip saddr ${podCidr}`;
  return connectionsBounded(HERE, table, [
    boundOfNode(`iifname "${hostDevice}"`, max),
    { of, by: ALL, connections, refused: POD_OF_NODE },
  ]);
}

/** The bound of each node that packets come from. */
function boundOfNode(of: string, max: string): Bound {
  const connections = connectionBound(max, NODE_CONNECTION_SHARES);
  return { name: "node-", of, by: NODE, connections, refused: NODE };
}

/**
 * Returns what bounds the entries of connection tracking that one pod can have in the node's
 * namespace, and those that come by one other node, or from its range by the overlay, so that none
 * fills the table for all: new connections above it are dropped. Resolves with whether the rules
 * differed. A kernel without `ct count` or `numgen` gets none, with a warning in the log. Throws
 * NftError for other failures. Without the host's address, what comes by the underlay has no bound.
 */
export function connectionBounds(
  node: TablePlace,
  { podCidr, hostMac }: { podCidr: string; hostMac?: string },
  max = connectionsMax(),
): () => Promise<boolean> {
  const [underlay, overlay] = FROM_NODES;
  return connectionsBounded(node, "r2k-connections", [
    { of: `ip saddr ${podCidr}`, by: POD, connections: connectionBound(max), refused: POD },
    ...(hostMac === undefined ? [] : [boundOfNode(`${underlay} ether saddr != ${hostMac}`, max)]),
    {
      name: "range-",
      of: overlay,
      by: RANGE,
      connections: connectionBound(max, RANGE_CONNECTION_SHARES),
      refused: RANGE,
    },
  ]);
}

function connectionsBounded(node: TablePlace, table: string, bounds: readonly Bound[]) {
  const rules = bounds.flatMap((bound) => boundRules(table, bound));
  const chain = `add chain ip ${table} prerouting { type filter hook prerouting priority mangle; }`;
  return kernelBounds(node, table, [chain, ...rules], {
    lack: "pods and nodes can fill the table of connections",
    remedy: "a kernel with CONFIG_NFT_CONNLIMIT and CONFIG_NFT_NUMGEN",
  });
}

/**
 * Returns what bounds the datagrams with which one pod can ask the node's DNS, whose socket has one
 * buffer, and the connections that it opens to the node's servers, each of which has one queue: a
 * flood fills them for all. The rest is dropped before. Otherwise as `connectionBounds`.
 * Datagrams count as they arrive: IPVS translates a Service's address later than at `input`, and
 * the userspace proxy, which has one buffer as well, reads them and sends them again from `lo`.
 * Other nodes, whose pods ask their own DNS, have fewer, from all sources together.
 */
export function queryBounds(
  node: TablePlace,
  { podCidr, nodeAddress, dnsAddress }: Queried,
): () => Promise<boolean> {
  const table = QUERIES;
  const query = `ip daddr { ${nodeAddress}, ${dnsAddress} } udp dport 53`;
  const over = (rate: number, burst: number) => `rate over ${rate}/second burst ${burst} packets`;
  const ofNodes = over(NODES_QUERIES_PER_SECOND, NODES_QUERIES_BURST);
  const rules = [
    `add set ip ${table} asked { type ipv4_addr; size ${PODS_COUNTED}; flags dynamic,timeout; ` +
      `timeout ${QUERIES_COUNTED_MS}ms; }`,
    `add limit ip ${table} of-nodes { ${ofNodes}; }`,
    `add chain ip ${table} prerouting { type filter hook prerouting priority mangle; }`,
    `add rule ip ${table} prerouting iifname != "lo" ip saddr ${podCidr} ${query} ` +
      `update @asked { ip saddr limit ${over(QUERIES_PER_SECOND, QUERIES_BURST)} } drop`,
    ...FROM_NODES.map(
      (from) => `add rule ip ${table} prerouting ${from} ${query} limit name "of-nodes" drop`,
    ),
    ...openedRules(podCidr),
  ];
  return queriesBounded(node, rules);
}

/**
 * The bounds of a machine whose DNS is pods, and whose link is not the nodes' alone: those of its
 * pods' connections, also to its own servers. Otherwise as `connectionBounds`.
 */
export function machineBounds(podCidr: string): () => Promise<boolean> {
  const boundConnections = connectionBounds(HERE, { podCidr });
  const boundOpened = queriesBounded(HERE, openedRules(podCidr));
  return async () => [await boundConnections(), await boundOpened()].includes(true);
}

const openedRules = (podCidr: string): string[] => [
  `add set ip ${QUERIES} opened { type ipv4_addr; size ${PODS_COUNTED}; flags dynamic,timeout; ` +
    `timeout ${QUERIES_COUNTED_MS}ms; }`,
  `add chain ip ${QUERIES} input { type filter hook input priority filter - 10; }`,
  `add rule ip ${QUERIES} input ip saddr ${podCidr} tcp dport { ${SERVERS.join(", ")} } ` +
    "tcp flags & (syn | ack) == syn " +
    `update @opened { ip saddr limit rate over ${CONNECTS_PER_SECOND}/second ` +
    `burst ${CONNECTS_BURST} packets } drop`,
];

const queriesBounded = (node: TablePlace, rules: string[]) =>
  kernelBounds(node, QUERIES, rules, {
    lack: "a pod can fill the buffer of the node's DNS, and its servers' queues",
    remedy: "a kernel with CONFIG_NFT_LIMIT",
  });

function kernelBounds(
  node: TablePlace,
  name: string,
  rules: string[],
  { lack, remedy }: { lack: string; remedy: string },
): () => Promise<boolean> {
  const table = new OwnTable(name, { packetsFillSets: true });
  let [isAccepted, isRefused] = [false, false];
  return async () => {
    if (isRefused) return false;
    try {
      const differed = await table.ensure(node, rules);
      isAccepted = true;
      return differed;
    } catch (thrown) {
      // A kernel that has accepted them refuses for another reason, which passes.
      if (isAccepted || !isErrno(thrown, "nft-refused", "ENOENT")) throw thrown;
      isRefused = true;
      logger("network").warn(lack, { table: name, reason: messageOf(thrown), remedy });
      return false;
    }
  };
}

/**
 * Counting walks all of a pod's connections, so one of CONNECTION_SAMPLES new ones is counted, and
 * counts for that many. A pod found above the bound is refused new ones for OVER_BOUND_MS. Some
 * come before the next is counted, and can stay for days: again and again they would fill the
 * table, so that for SUSPECT_MS each counts, and the pod may have a part of the bound. The rule
 * drops a packet before its entry is confirmed, which is then not kept.
 */
function boundRules(table: string, { name = "", of, by, connections, refused }: Bound): string[] {
  const most = Math.max(1, Math.floor(connections / CONNECTION_SAMPLES));
  const few = Math.max(1, Math.floor(connections / SUSPECT_SHARES));
  const [who, type] = refused;
  const set = (set: string, keys: string, flags = "") =>
    `add set ip ${table} ${name}${set} ` +
    `{ type ${keys}; size ${PODS_COUNTED}; flags dynamic${flags}; }`;
  const rule = `add rule ip ${table} prerouting ct state new ${of}`;
  return [
    set("counted", by[1]),
    set("over", type, `,timeout; timeout ${OVER_BOUND_MS}ms`),
    set("suspect", type, `,timeout; timeout ${SUSPECT_MS}ms`),
    set("beyond", type),
    `${rule} ${who} @${name}over drop`,
    `${rule} ${who} @${name}suspect add @${name}beyond { ${who} ct count over ${few} } drop`,
    `${rule} numgen random mod ${CONNECTION_SAMPLES} 0 ` +
      `add @${name}counted { ${by[0]} ct count over ${most} } ` +
      `add @${name}over { ${who} } add @${name}suspect { ${who} } drop`,
  ];
}

/** The links of `FROM_NODES`, as iptables names them. */
const GUEST_FROM_NODES = ["eth0", "flannel+"] as const;

/** A number of connections of the sources alike in `bits` of their address, as `Bound` has them. */
interface GuestBound {
  readonly name: "pods" | "nodes" | "range";
  /** A match of the packets that count. */
  readonly of: string;
  readonly bits: 0 | 24 | 32;
  readonly connections: number;
}

/**
 * Bounds them by iptables-legacy in the namespace of this thread, in the way of `boundRules`, but
 * for what all other nodes send, which counts together: no match keeps nodes apart. Resolves with
 * whether the rules differed. Throws IptablesError.
 */
export async function boundConnectionsByIptables(
  { podCidr, hostMac }: { podCidr: string; hostMac: string },
  max = connectionsMax(),
): Promise<boolean> {
  const chain = "R2K-CONNECTIONS";
  const [underlay, overlay] = GUEST_FROM_NODES;
  const bounds: GuestBound[] = [
    { name: "pods", of: `-s ${podCidr}`, bits: 32, connections: connectionBound(max) },
    {
      name: "nodes",
      of: `-i ${underlay} -m mac ! --mac-source ${hostMac}`,
      bits: 0,
      connections: connectionBound(max, NODE_CONNECTION_SHARES),
    },
    {
      name: "range",
      of: `-i ${overlay}`,
      bits: 24,
      connections: connectionBound(max, RANGE_CONNECTION_SHARES),
    },
  ];
  const rules = bounds.flatMap((bound) => guestRules(chain, bound));
  return await ensureChains({ table: "mangle", hooks: { PREROUTING: chain }, rules });
}

/** Lists those above the bound in /proc/net/xt_recent. */
function guestRules(chain: string, { name, of, bits, connections }: GuestBound): string[] {
  const most = Math.max(1, Math.floor(connections / CONNECTION_SAMPLES));
  const few = Math.max(1, Math.floor(connections / SUSPECT_SHARES));
  const mask = { 0: "0.0.0.0", 24: "255.255.255.0", 32: "255.255.255.255" }[bits];
  const list = (list: string) => `--name r2k-${name}-${list} --mask ${mask} --rsource`;
  const listed = (name: string, ms: number) =>
    `-m recent --rcheck --seconds ${ms / 1_000} ${list(name)}`;
  const above = (number: number) =>
    `-m connlimit --connlimit-above ${number} --connlimit-mask ${bits} --connlimit-saddr`;
  const rule = `-A ${chain} ${of} -m conntrack --ctstate NEW`;
  return [
    `${rule} ${listed("over", OVER_BOUND_MS)} -j DROP`,
    `${rule} ${listed("suspect", SUSPECT_MS)} ${above(few)} -j DROP`,
    `${rule} -m statistic --mode nth --every ${CONNECTION_SAMPLES} --packet 0 ${above(most)} ` +
      `-m recent --set ${list("over")} -m recent --set ${list("suspect")} -j DROP`,
  ];
}

/**
 * Bounds the queries of each pod by iptables-legacy in the namespace of this thread, as
 * `queryBounds`. Resolves with whether the rules differed. Throws IptablesError.
 */
export async function boundQueriesByIptables({
  podCidr,
  nodeAddress,
  dnsAddress,
}: Queried): Promise<boolean> {
  const [asked, opened] = ["R2K-QUERIES", "R2K-OPENED"];
  const above = (name: string, rate: number, burst: number, mode = "--hashlimit-mode srcip ") =>
    `-m hashlimit --hashlimit-above ${rate}/sec --hashlimit-burst ${burst} ` +
    `${mode}--hashlimit-name ${name} --hashlimit-htable-max ${PODS_COUNTED} ` +
    `--hashlimit-htable-expire ${QUERIES_COUNTED_MS} -j DROP`;
  const ofPods = above("r2k-queries", QUERIES_PER_SECOND, QUERIES_BURST);
  const ofNodes = above("r2k-nodes", NODES_QUERIES_PER_SECOND, NODES_QUERIES_BURST, "");
  const query = "-p udp -m udp --dport 53";
  return await ensureChains({
    table: "mangle",
    hooks: { PREROUTING: asked, INPUT: opened },
    rules: [
      // One table counts for all rules of a chain.
      ...[nodeAddress, dnsAddress].flatMap((address) => [
        `-A ${asked} -s ${podCidr} -d ${address}/32 ${query} ${ofPods}`,
        ...GUEST_FROM_NODES.map(
          (link) => `-A ${asked} -d ${address}/32 -i ${link} ${query} ${ofNodes}`,
        ),
      ]),
      ...SERVERS.map(
        (port) =>
          `-A ${opened} -s ${podCidr} -p tcp -m tcp --dport ${port} --tcp-flags SYN,ACK SYN ` +
          above("r2k-opened", CONNECTS_PER_SECOND, CONNECTS_BURST),
      ),
    ],
  });
}

/** One of `shares` of a table of `max` entries, as the sysctl has it: 0 is a table without end. */
export function connectionBound(max: string, shares = CONNECTION_SHARES): number {
  const entries = Number(max) > 0 ? Number(max) : CONNECTIONS_MAX_DEFAULT;
  return Math.max(CONNECTIONS_BOUND_MIN, Math.floor(entries / shares));
}

/** The machine's size of the table, for each network namespace; empty when it cannot be read. */
function connectionsMax(): string {
  // The module is not loaded yet, or a user namespace does not show it.
  return (
    tolerateSync(() => readSysctl("net.netfilter.nf_conntrack_max"), errno("ENOENT", "EACCES")) ??
    ""
  );
}
