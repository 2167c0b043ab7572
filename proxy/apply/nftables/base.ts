/** The chain that marks a connection to be masqueraded. */
export const HIDE = "hide-client";
/** The chain that refuses. TCP by a reset: the kernel limits the rate of the other kind. */
export const REJECT = "reject-client";
/** The bit of the packet mark that says: the bits below it number the endpoint chosen. */
export const MARK_CHOICE = 0x4000_0000;
/** The bit of the connection mark that says: masquerade. */
const MARK_HIDE = 0x4000;

export interface BaseOptions {
  table: string;
  /** Addresses of this node that node ports are served on; undefined: all but loopback. */
  nodePortAddresses?: string[] | undefined;
}

/**
 * The table without any Service: built anew in one transaction, so that nothing of an earlier proxy
 * is left. Packets are looked up by maps, whatever the number of Services. Loopback addresses are
 * never translated, so route_localnet stays off (CVE-2020-8558).
 */
export function baseRules({ table, nodePortAddresses }: BaseOptions): string {
  const allowed = nodePortAddresses?.length
    ? `ip daddr { ${nodePortAddresses.join(", ")} }`
    : "ip daddr != 127.0.0.0/8";
  const node = `${allowed} fib daddr type local meta l4proto . th dport`;
  const front = "ip daddr . meta l4proto . th dport";
  const frontType = "ipv4_addr . inet_proto . inet_service";
  const target = "ipv4_addr . inet_service";
  return `add table ip ${table}
delete table ip ${table}
table ip ${table} {
  set cluster-ips { type ipv4_addr; }
  set hairpins { type ipv4_addr . ipv4_addr; }
  map services { type ${frontType} : verdict; }
  map refused-services { type ${frontType} : verdict; }
  map endpoints { type ${frontType} . mark : ${target}; }
  map node-ports { type inet_proto . inet_service : verdict; }
  map refused-node-ports { type inet_proto . inet_service : verdict; }
  map node-endpoints { type inet_proto . inet_service . mark : ${target}; }

  chain ${HIDE} { ct mark set ct mark or ${MARK_HIDE}; }
  chain ${REJECT} {
    meta l4proto tcp reject with tcp reset
    reject
  }

  chain translate {
    ${front} vmap @services
    ${node} vmap @node-ports
  }
  chain translate-incoming { type nat hook prerouting priority dstnat; jump translate; }
  chain translate-own { type nat hook output priority -100; jump translate; }

  chain forget-choice { meta mark and ${MARK_CHOICE} == ${MARK_CHOICE} meta mark set 0; }
  chain forget-incoming { type filter hook prerouting priority -99; jump forget-choice; }
  chain forget-own { type filter hook output priority -99; jump forget-choice; }

  chain refuse {
    ${front} vmap @refused-services
    ${node} vmap @refused-node-ports
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
