import { TO_PODS } from "./compile.ts";

/** Name of the table, family ip. */
export const TABLE = "r2k-network-policy";

/** Sets of named ports: a pod's address, the protocol and the number. */
export const PORT_SET = "type ipv4_addr . inet_proto . inet_service;";
export const ADDRESS_SET = "type ipv4_addr;";

/** Later than the translation of sources, and than IPVS' hook, by which packets leave INPUT. */
const AFTER_SRCNAT = 110;
/** The addresses of a proxy in userspace mode, on loopback (proxy/apply/userspace/clients.ts). */
const PROXY = "169.254.96.0/20";

/**
 * Returns the transaction that replaces the table by one without pods. A packet is judged where it
 * is forwarded, after Services are translated, and where a pod sends it to the node itself: first
 * by the policies of the pod that it comes from, then by those of the pod that it goes to. IPVS
 * translates in INPUT and sends by OUTPUT, with the client's address: it is judged there. In
 * userspace mode a pod's connection to the proxy passes, and the proxy's own is judged once it has
 * the pod's address. Packets of pods to all or to a group are not forwarded: they would come by
 * their `bridge` to each pod, and verdicts are looked up by the destination; nor are those that it
 * would lead to a pod's hardware address with another destination; those on other bridges of the
 * host are not ours. The node's own packets are not judged, so the kubelet's probes pass, as
 * upstream; nor is what belongs to a connection that was admitted, or what a pod sends to itself.
 */
export const baseRules = (bridge = "cni0"): string => `add table ip ${TABLE}
delete table ip ${TABLE}
table ip ${TABLE} {
  set self { type ipv4_addr . ipv4_addr; }
  map ingress { type ipv4_addr : verdict; }
  map egress { type ipv4_addr : verdict; }
  chain ${TO_PODS} {
    ip daddr vmap @ingress
    accept
  }
  chain from-pods {
    ct state established,related accept
    ip saddr . ip daddr @self accept
    ip saddr vmap @egress
    goto ${TO_PODS}
  }
  chain forward {
    type filter hook forward priority filter;
    ct state established,related accept
    iifname "${bridge}" fib daddr type { broadcast, multicast } drop
    iifname "${bridge}" oifname "${bridge}" fib daddr oifname != "${bridge}" drop
    goto from-pods
  }
  chain input {
    type filter hook input priority ${AFTER_SRCNAT};
    ip daddr ${PROXY} accept
    goto from-pods
  }
  chain output {
    type filter hook output priority filter;
    ct state established,related accept
    fib saddr type local accept
    goto from-pods
  }
  chain postrouting {
    type filter hook postrouting priority ${AFTER_SRCNAT};
    ct state new ct original ip saddr ${PROXY} goto from-pods
  }
}
`;
