import type { OwnChains } from "../lib/own-chains.ts";

const CHAIN = "R2K-POD-SOURCES";

/**
 * Returns chains that drop what comes from a node's pods with a source outside their range, for a
 * kernel that cannot check each pod's own address: a pod can then forge those of its neighbours on
 * the node alone. Bridged packets come by the bridge's link here, too (br_netfilter).
 */
export const podSourceChains = (podCidr: string, bridge = "cni0"): OwnChains => ({
  table: "mangle",
  hooks: { PREROUTING: CHAIN },
  rules: [`-A ${CHAIN} ! -s ${podCidr} -i ${bridge} -j DROP`],
});
