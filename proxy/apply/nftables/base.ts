/** The chain that marks a connection to be masqueraded. */
export const HIDE = "hide-client";
/** The chain that refuses. TCP by a reset: the kernel limits the rate of the other kind. */
export const REJECT = "reject-client";
/** The bit of the packet mark that says: the bits below it number the endpoint chosen. */
export const MARK_CHOICE = 0x4000_0000;
/** The bit of the connection mark that says: masquerade. */
const MARK_HIDE = 0x4000;

/** What a packet is looked up by. */
const FRONT = "ip daddr . meta l4proto . th dport";

const FRONT_TYPE = "ipv4_addr . inet_proto . inet_service";
const TARGET_TYPE = "ipv4_addr . inet_service";

/** What the Services' ports put their elements into. */
const SETS = `  set cluster-ips { type ipv4_addr; }
  set api-endpoints { type ipv4_addr; }
  set hairpins { type ipv4_addr . ipv4_addr; }
  map services { type ${FRONT_TYPE} : verdict; }
  map refused-services { type ${FRONT_TYPE} : verdict; }
  map endpoints { type ${FRONT_TYPE} . mark : ${TARGET_TYPE}; }
  map external-services { type ${FRONT_TYPE} : verdict; }
  map refused-external-services { type ${FRONT_TYPE} : verdict; }
  map external-endpoints { type ${FRONT_TYPE} . mark : ${TARGET_TYPE}; }
  map node-ports { type inet_proto . inet_service : verdict; }
  map refused-node-ports { type inet_proto . inet_service : verdict; }
  map node-endpoints { type inet_proto . inet_service . mark : ${TARGET_TYPE}; }
`;

export interface BaseOptions {
  table: string;
  /** Addresses of this node that node ports are served on; undefined: all but loopback. */
  nodePortAddresses?: string[] | undefined;
  /** The pods' range. */
  clusterCidr?: string | undefined;
}

/**
 * The table without any Service: built anew in one transaction, so that nothing of an earlier proxy
 * is left. Packets are looked up by maps, whatever the number of Services. Loopback addresses are
 * never translated, so route_localnet stays off (CVE-2020-8558).
 *
 * External addresses are whatever a tenant wrote (CVE-2020-8554), so they are looked up last and in
 * maps of their own: connections to an API server, to a cluster IP, to a pod or to the node itself
 * never get that far. `apiServers`: IPv4 addresses by which this node reaches the API.
 */
export function baseRules(options: BaseOptions, apiServers: readonly string[]): string {
  const { table, nodePortAddresses, clusterCidr } = options;
  const allowed = nodePortAddresses?.length
    ? `ip daddr { ${nodePortAddresses.join(", ")} }`
    : "ip daddr != 127.0.0.0/8";
  const node = `${allowed} fib daddr type local meta l4proto . th dport`;
  const spared = [...apiServers, ...(clusterCidr ? [clusterCidr] : [])];
  return `add table ip ${table}
delete table ip ${table}
table ip ${table} {
${SETS}
  chain ${HIDE} { ct mark set ct mark or ${MARK_HIDE}; }
  chain ${REJECT} {
    meta l4proto tcp reject with tcp reset
    reject
  }

${externalChain("external", "external-services", spared)}
${externalChain("refuse-external", "refused-external-services", spared)}

  chain translate {
    ${FRONT} vmap @services
    ${node} vmap @node-ports
    jump external
  }
  chain translate-incoming { type nat hook prerouting priority dstnat; jump translate; }
  chain translate-own { type nat hook output priority -100; jump translate; }

  chain forget-choice { meta mark and ${MARK_CHOICE} == ${MARK_CHOICE} meta mark set 0; }
  chain forget-incoming { type filter hook prerouting priority -99; jump forget-choice; }
  chain forget-own { type filter hook output priority -99; jump forget-choice; }

  chain refuse {
    ${FRONT} vmap @refused-services
    ${node} vmap @refused-node-ports
    jump refuse-external
  }
  chain refuse-incoming { type filter hook prerouting priority -110; ct state new jump refuse; }
  chain refuse-own { type filter hook output priority -110; ct state new jump refuse; }

  chain forward {
    type filter hook forward priority filter;
    ct state invalid drop
    ct state new ip daddr @cluster-ips goto ${REJECT}
  }
  chain own {
    type filter hook output priority filter;
    ct state new ip daddr @cluster-ips goto ${REJECT}
  }

  chain postrouting {
    type nat hook postrouting priority srcnat;
    ct status dnat ip saddr . ip daddr @hairpins masquerade fully-random
    ct mark and ${MARK_HIDE} == ${MARK_HIDE} masquerade fully-random
  }
}
`;
}

/** Looks an external address up in `map`, unless it is one that no Service takes over. */
function externalChain(name: string, map: string, spared: readonly string[]): string {
  const spare = spared.map((range) => `    ip daddr ${range} return\n`).join("");
  return `  chain ${name} {
${spare}    ip daddr @api-endpoints return
    ip daddr @cluster-ips return
    fib daddr type local return
    ${FRONT} vmap @${map}
  }`;
}
