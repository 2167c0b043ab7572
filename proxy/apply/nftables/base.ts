// Chains, sets and maps have the names of upstream's nftables proxier where it has the same.
import { MASQUERADE_PORTS, masquerades } from "@raft2kube/linux/netfilter/nft.ts";

/** Name of the chain that marks a connection for masquerading (iptables: KUBE-MARK-MASQ). */
export const MARK_MASQ_CHAIN = "mark-for-masquerade";
/** Name of the chain that rejects; TCP with a reset, as the kernel limits the rate of ICMP. */
export const REJECT_CHAIN = "reject-chain";
/** Bit of the packet mark; if it is set, the bits below it are the number of the endpoint. */
export const ENDPOINT_MARK = 0x4000_0000;
/** Bit of the connection mark that requests masquerading. */
const MASQUERADE_MARK = 0x4000;

/** The key by which a packet's frontend is looked up. */
const FRONTEND = "ip daddr . meta l4proto . th dport";

const FRONTEND_TYPE = "ipv4_addr . inet_proto . inet_service";
const TARGET_TYPE = "ipv4_addr . inet_service";

/** The sets and maps that the Services' ports fill. */
const SETS = `  set cluster-ips { type ipv4_addr; }
  set api-endpoints { type ipv4_addr; }
  set hairpin-connections { type ipv4_addr . ipv4_addr; }
  map service-ips { type ${FRONTEND_TYPE} : verdict; }
  map no-endpoint-services { type ${FRONTEND_TYPE} : verdict; }
  map service-endpoints { type ${FRONTEND_TYPE} . mark : ${TARGET_TYPE}; }
  map external-ips { type ${FRONTEND_TYPE} : verdict; }
  map no-endpoint-external-ips { type ${FRONTEND_TYPE} : verdict; }
  map external-endpoints { type ${FRONTEND_TYPE} . mark : ${TARGET_TYPE}; }
  map service-nodeports { type inet_proto . inet_service : verdict; }
  map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }
  map firewall-ips { type ${FRONTEND_TYPE} : verdict; }
  map nodeport-endpoints { type inet_proto . inet_service . mark : ${TARGET_TYPE}; }
`;

/** The rules that masquerade; pods of `clusterCidr` leave ports to clients of other addresses. */
function masqueradeRules(clusterCidr: string | undefined): string {
  const matches = [
    "ct status dnat ip saddr . ip daddr @hairpin-connections",
    `ct mark and ${MASQUERADE_MARK} == ${MASQUERADE_MARK}`,
  ];
  const sources = [
    ...(clusterCidr ? [[`ip saddr ${clusterCidr} `, MASQUERADE_PORTS.ofPods]] : []),
    ["", MASQUERADE_PORTS.any],
  ];
  const rules = sources.flatMap(([from, ports]) =>
    matches.flatMap((match) =>
      masquerades(ports, "fully-random").map((rule) => `    ${from}${match} ${rule}\n`),
    ),
  );
  return rules.join("");
}

export interface BaseOptions {
  table: string;
  /** Addresses of this node that serve node ports; undefined: all except loopback. */
  nodePortAddresses?: string[] | undefined;
  /** The range of all pods. */
  clusterCidr?: string | undefined;
  /** An address of this node that is reached through Services only. */
  proxyAddress?: string;
  /** Whether connections that need it are masqueraded. Default true. */
  masquerade?: boolean;
  /** Returns the table's comment, for each rebuild: at most 127 bytes, no quotes. */
  note?: () => string;
}

/**
 * Returns the transaction that replaces the table by one without Services; nothing of an earlier
 * proxy remains. Packets are looked up in maps: the number of rules is independent of the number
 * of Services. Loopback addresses are never translated: route_localnet stays off (CVE-2020-8558).
 *
 * Tenants choose external addresses (CVE-2020-8554). They are therefore looked up last and in maps
 * of their own, and never for connections to an API server, a cluster IP, a pod or the node itself.
 * `apiServers`: IPv4 addresses by which this node reaches the API.
 */
export function baseRules(options: BaseOptions, apiServers: readonly string[]): string {
  const { table, nodePortAddresses, clusterCidr } = options;
  const allowed = nodePortAddresses?.length
    ? `ip daddr { ${nodePortAddresses.join(", ")} }`
    : "ip daddr != 127.0.0.0/8";
  const node = `${allowed} fib daddr type local meta l4proto . th dport`;
  const exempt = [...apiServers, ...(clusterCidr ? [clusterCidr] : [])];
  return `add table ip ${table}
delete table ip ${table}
table ip ${table} {
${options.note ? `  comment "${options.note()}"\n` : ""}${SETS}
  chain ${MARK_MASQ_CHAIN} { ct mark set ct mark or ${MASQUERADE_MARK}; }
  chain ${REJECT_CHAIN} {
    meta l4proto tcp reject with tcp reset
    reject
  }

${externalChain("external-services", "external-ips", exempt)}
${externalChain("external-endpoints-check", "no-endpoint-external-ips", exempt)}

${externalChain("firewall-check", "firewall-ips", exempt)}

  chain services {
    ${FRONTEND} vmap @service-ips
    ${node} vmap @service-nodeports
    jump external-services
  }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }

${clearMark()}  chain service-endpoints-check {
    ${FRONTEND} vmap @no-endpoint-services
    ${node} vmap @no-endpoint-nodeports
    jump external-endpoints-check
  }
  chain filter-prerouting-pre-dnat {
    type filter hook prerouting priority -110;
    ct state new jump firewall-check
    ct state new jump service-endpoints-check
  }
  chain filter-output-pre-dnat {
    type filter hook output priority -110;
    ct state new jump firewall-check
    ct state new jump service-endpoints-check
  }

  chain filter-forward {
    type filter hook forward priority filter;
    ct state invalid drop
    ct state new ip daddr @cluster-ips goto ${REJECT_CHAIN}
  }
  chain filter-output {
    type filter hook output priority filter;
    ct state new ip daddr @cluster-ips goto ${REJECT_CHAIN}
  }

${options.proxyAddress === undefined ? "" : proxyGuard(options.proxyAddress)}\
  chain nat-postrouting {
    type nat hook postrouting priority srcnat;
${options.masquerade === false ? "" : masqueradeRules(clusterCidr)}  }
}
`;
}

/** Clears the number of the endpoint after the translation. */
const clearMark = (): string => `\
  chain clear-endpoint-mark { meta mark and ${ENDPOINT_MARK} == ${ENDPOINT_MARK} meta mark set 0; }
  chain filter-prerouting-post-dnat {
    type filter hook prerouting priority -99;
    jump clear-endpoint-mark
  }
  chain filter-output-post-dnat {
    type filter hook output priority -99;
    jump clear-endpoint-mark
  }

`;

/** Drops what was not translated by a Service, whose policies it would bypass. */
const proxyGuard = (address: string): string => `\
  chain filter-input {
    type filter hook input priority filter;
    ct state new ip daddr ${address} ct status and dnat == 0 drop
  }

`;

/** Returns the chain that looks external addresses up in `map`, except those that are exempt. */
function externalChain(name: string, map: string, exempt: readonly string[]): string {
  const returns = exempt.map((range) => `    ip daddr ${range} return\n`).join("");
  return `  chain ${name} {
${returns}    ip daddr @api-endpoints return
    ip daddr @cluster-ips return
    fib daddr type local return
    ${FRONTEND} vmap @${map}
  }`;
}
